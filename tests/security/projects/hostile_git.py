"""Repositories that configure a program for git to run, each in another way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.copies import fill
from tests.support.environment import SYSTEM_PATH
from tests.support.plain_git import GIT, configure

SIGNATURES = {"openpgp": "PGP SIGNATURE", "ssh": "SSH SIGNATURE"}


@dataclass(frozen=True)
class Trap:
    """A repository at `folder` with a file in it, and a program that leaves a mark when it runs."""

    home: Path
    folder: Path

    @property
    def mark(self) -> Path:
        return self.home / "sprung"

    @property
    def program(self) -> Path:
        return self.home / "trap.sh"

    def git(self, *arguments: str, folder: Path | None = None, check: bool = True) -> str:
        """Plain git, as a person would run it there."""
        environment = {
            "PATH": SYSTEM_PATH,
            "HOME": str(self.home),
            "GIT_AUTHOR_NAME": "A",
            "GIT_COMMITTER_NAME": "A",
            "EMAIL": "a@b.example",
        }
        command = [*GIT, *arguments]
        done = subprocess.run(
            command,
            cwd=folder or self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
            timeout=30,
        )
        return done.stdout.strip()

    def make(self) -> Trap:
        self.program.write_text(f"#!/bin/sh\ntouch {self.mark}\n")
        self.program.chmod(0o755)
        fill(self.folder, _commit)
        self.write("app.txt", "two\n")
        return self

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def set(self, key: str, value: str) -> None:
        """Add a setting; one that there is already stays beside it."""
        configure(self.folder, key, value)


def _commit(folder: Path) -> None:
    trap = Trap(folder, folder)
    trap.git("init", "--quiet", "--initial-branch=main")
    trap.write("app.txt", "one\n")
    trap.write("inner/deep.txt", "deep\n")
    trap.git("add", ".")
    trap.git("commit", "--quiet", "-m", "first")


def fsmonitor(trap: Trap) -> None:
    trap.set("core.fsmonitor", str(trap.program))


def fsmonitor_by_include(trap: Trap) -> None:
    (trap.folder / ".git" / "more").write_text(f'[core]\n\tfsmonitor = "{trap.program}"\n')
    trap.set("include.path", "more")


def fsmonitor_by_worktree_config(trap: Trap) -> None:
    trap.set("extensions.worktreeConfig", "true")
    trap.git("config", "--worktree", "core.fsmonitor", str(trap.program))


def _filter(trap: Trap, setting: str, attributes: str = ".gitattributes", name: str = "x") -> None:
    trap.set(f"filter.{name}.{setting}", str(trap.program))
    trap.write(attributes, f"*.txt filter={name}\n")


def clean_filter(trap: Trap) -> None:
    _filter(trap, "clean")
    trap.set("filter.x.required", "true")


def filter_process(trap: Trap) -> None:
    _filter(trap, "process")


def filter_with_dots_in_its_name(trap: Trap) -> None:
    _filter(trap, "clean", name="a.B-c")


def filter_of_private_attributes(trap: Trap) -> None:
    _filter(trap, "clean", ".git/info/attributes")


def filter_of_an_included_file(trap: Trap) -> None:
    _filter(trap, "clean")
    config = trap.folder / ".git" / "config"
    (trap.folder / ".git" / "more").write_text(config.read_text())
    trap.git("config", "--remove-section", "filter.x")
    trap.set("includeIf.onbranch:main.path", "more")


def _diff_driver(trap: Trap, setting: str) -> None:
    trap.set(f"diff.x.{setting}", str(trap.program))
    trap.write(".gitattributes", "*.txt diff=x\n")


def textconv(trap: Trap) -> None:
    _diff_driver(trap, "textconv")


def diff_command(trap: Trap) -> None:
    _diff_driver(trap, "command")


def external_diff(trap: Trap) -> None:
    trap.set("diff.external", str(trap.program))


def hook(trap: Trap) -> None:
    path = trap.folder / ".git" / "hooks" / "post-index-change"
    path.parent.mkdir(exist_ok=True)
    # A file that has just been written cannot be run while a child of another thread has it open
    path.symlink_to(trap.program)
    (trap.folder / "inner" / "deep.txt").touch()


def hooks_path(trap: Trap) -> None:
    hook(trap)
    (trap.folder / ".git" / "hooks").rename(trap.folder / "own-hooks")
    trap.set("core.hooksPath", "own-hooks")


def _signed(trap: Trap, kind: str) -> None:
    label = SIGNATURES[kind]
    text = trap.git("cat-file", "commit", "HEAD") + "\n"
    head, _, message = text.partition("\n\n")
    signature = f"gpgsig -----BEGIN {label}-----\n \n Zm9v\n -----END {label}-----"
    (trap.home / "commit").write_text(f"{head}\n{signature}\n\n{message}")
    new = trap.git("hash-object", "-t", "commit", "-w", str(trap.home / "commit"))
    trap.git("update-ref", "refs/heads/main", new)
    trap.set("log.showSignature", "true")


def signature_check(trap: Trap) -> None:
    _signed(trap, "openpgp")
    trap.set("gpg.program", str(trap.program))


def signature_check_by_format(trap: Trap) -> None:
    _signed(trap, "openpgp")
    trap.set("log.showSignature", "false")
    trap.set("gpg.openpgp.program", str(trap.program))
    trap.set("format.pretty", "%G? %s")


def ssh_signature_check(trap: Trap) -> None:
    _signed(trap, "ssh")
    (trap.home / "signers").write_text("")
    trap.set("gpg.ssh.program", str(trap.program))
    trap.set("gpg.ssh.allowedSignersFile", str(trap.home / "signers"))


def _promisor(trap: Trap, url: str) -> None:
    """A sparse index one of whose trees is missing, and a remote that has promised it."""
    trap.git("checkout", "--quiet", "--", ".")
    trap.git("sparse-checkout", "init", "--cone", "--sparse-index")
    tree = trap.git("rev-parse", "HEAD:inner")
    (trap.folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", url),
        ("remote.origin.promisor", "true"),
        ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ("protocol.allow", "always"),
    ):
        trap.set(key, value)


def fetch_of_a_promised_tree(trap: Trap) -> None:
    _promisor(trap, str(trap.folder))
    trap.set("remote.origin.uploadpack", f"{trap.program}; false")


def fetch_by_ssh(trap: Trap) -> None:
    _promisor(trap, "ssh://nobody.invalid/x")
    trap.set("core.sshCommand", str(trap.program))


def fetch_by_git_proxy(trap: Trap) -> None:
    _promisor(trap, "git://nobody.invalid/x")
    trap.set("core.gitProxy", str(trap.program))


def fetch_by_a_remote_helper(trap: Trap) -> None:
    _promisor(trap, f"ext::{trap.program}")


def fetch_by_an_address_that_is_rewritten(trap: Trap) -> None:
    _promisor(trap, "short:x")
    trap.set(f"url.ext::{trap.program} .insteadOf", "short:")


def _submodule(trap: Trap) -> Path:
    inner = trap.folder / "part"
    inner.mkdir()
    trap.git("init", "--quiet", folder=inner)
    (inner / "part.txt").write_text("one\n")
    trap.git("add", ".", folder=inner)
    trap.git("commit", "--quiet", "-m", "part", folder=inner)
    trap.git("add", "part")
    (inner / "part.txt").write_text("two\n")
    return inner


def fsmonitor_of_a_submodule(trap: Trap) -> None:
    inner = _submodule(trap)
    trap.git("config", "core.fsmonitor", str(trap.program), folder=inner)


def filter_of_a_submodule(trap: Trap) -> None:
    inner = _submodule(trap)
    trap.git("config", "filter.x.clean", str(trap.program), folder=inner)
    (inner / ".gitattributes").write_text("*.txt filter=x\n")


LIST = ("ls-files", "--cached", "--others")
STATUS, DIFF, LOG = ("status",), ("diff",), ("log", "--patch")
COMMANDS = (LIST, STATUS, DIFF, LOG)
TRAPS: dict[Callable[[Trap], None], tuple[str, ...]] = {
    fsmonitor: LIST,
    fsmonitor_by_include: LIST,
    fsmonitor_by_worktree_config: LIST,
    clean_filter: STATUS,
    filter_process: STATUS,
    filter_with_dots_in_its_name: STATUS,
    filter_of_private_attributes: STATUS,
    filter_of_an_included_file: STATUS,
    textconv: DIFF,
    diff_command: DIFF,
    external_diff: DIFF,
    hook: STATUS,
    hooks_path: STATUS,
    signature_check: LOG,
    signature_check_by_format: LOG,
    ssh_signature_check: LOG,
    fetch_of_a_promised_tree: LIST,
    fetch_by_ssh: LIST,
    fetch_by_git_proxy: LIST,
    fetch_by_a_remote_helper: LIST,
    fetch_by_an_address_that_is_rewritten: LIST,
    fsmonitor_of_a_submodule: STATUS,
    filter_of_a_submodule: STATUS,
}
"""Each trap, with the command of plain git that springs it."""
