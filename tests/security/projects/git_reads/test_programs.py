"""Reading an untrusted repository runs no program."""

from __future__ import annotations

import ast
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git import git, reads
from opcode_htmx.lib.git.policy import READING
from opcode_htmx.lib.git.reads import GitFailed, RepositoryRefused
from tests.security.projects.hostile_git import (
    COMMANDS,
    TRAPS,
    Trap,
    fetch_of_a_promised_tree,
    fsmonitor,
)
from tests.support.apps.in_process import app_of
from tests.support.environment import ROOT, SYSTEM_PATH, Sandbox, basic_header


@pytest.fixture
def environment(sandbox: Sandbox) -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, "HOME": str(sandbox.home)}


def read_everything(trap: Trap, environment: dict[str, str]) -> None:
    for command, *arguments in COMMANDS:
        with contextlib.suppress(GitFailed):  # it may complain, and must not obey
            reads.read(trap.folder, command, *arguments, environment=environment)


# --- programs -------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", TRAPS, ids=lambda arm: arm.__name__)
def test_a_repository_runs_no_program_when_it_is_read(
    trap: Trap, environment: dict[str, str], arm: Callable[[Trap], None]
) -> None:
    arm(trap)
    read_everything(trap, environment)
    assert not trap.mark.exists()
    trap.git(*TRAPS[arm], check=False)
    assert trap.mark.exists(), "plain git runs it, so this trap is one"


def test_old_git_without_the_lazy_fetch_switch_fetches_nothing(
    trap: Trap, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(READING.environment, dict)
    monkeypatch.delitem(READING.environment, "GIT_NO_LAZY_FETCH")
    fetch_of_a_promised_tree(trap)
    read_everything(trap, environment)
    assert not trap.mark.exists()


def test_completing_a_file_name_runs_nothing(trap: Trap, sandbox: Sandbox, stand_in: Path) -> None:
    fetch_of_a_promised_tree(trap)
    with app_of(sandbox, stand_in) as app:
        page = app.test_client().get(
            "/new/complete",
            query_string={"q": "@", "folder": str(trap.folder)},
            headers=basic_header(),
        )
    assert page.status_code == 200
    assert "app.txt" in page.text  # without git, if git will not
    assert not trap.mark.exists()


def test_hooks_that_a_configuration_names_are_disabled_by_name(trap: Trap) -> None:
    trap.set("hook.spy.command", str(trap.program))
    trap.set("hook.spy.event", "post-index-change")
    assert dict(git._disabling_settings("hook.spy.command")) == {"hook.spy.enabled": "false"}


def test_a_setting_whose_name_cannot_be_overridden_keeps_git_out(
    trap: Trap, environment: dict[str, str]
) -> None:
    trap.set("filter.a=b.clean", str(trap.program))
    trap.write(".gitattributes", "*.txt filter=a=b\n")
    with pytest.raises(RepositoryRefused, match="cannot be overridden"):
        reads.read(trap.folder, "status", environment=environment)


def test_git_environment_variables_are_not_inherited(
    trap: Trap, environment: dict[str, str]
) -> None:
    steered = {
        **environment,
        "GIT_EXTERNAL_DIFF": str(trap.program),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(trap.program),
        "GIT_PROXY_COMMAND": str(trap.program),
        "GIT_INDEX_FILE": "/dev/null",
        "GIT_TRACE": str(trap.home / "trace"),
    }
    read_everything(trap, steered)
    assert not trap.mark.exists()
    assert not (trap.home / "trace").exists()
    listed = reads.read(trap.folder, "ls-files", environment=steered)
    assert listed and listed.content == b"app.txt\ninner/deep.txt\n"


def test_git_is_not_taken_from_the_folder_that_is_read(
    trap: Trap, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trap.write("git", trap.program.read_text())
    (trap.folder / "git").chmod(0o755)
    monkeypatch.chdir(trap.folder)
    for path in (f".:{SYSTEM_PATH}", f":{SYSTEM_PATH}"):
        reads.read(trap.folder, "ls-files", environment={**environment, "PATH": path})
    assert not trap.mark.exists()


def test_bare_repository_folder_is_no_work_tree(trap: Trap, environment: dict[str, str]) -> None:
    """A clone can carry one among its files; git would take its configuration for its own."""
    fsmonitor(trap)
    inner = trap.folder / "vendored"
    (trap.folder / ".git").rename(inner)
    with contextlib.suppress(GitFailed):
        assert reads.read(inner, "ls-files", environment=environment) is None
    assert not trap.mark.exists()


def test_reading_changes_nothing_in_the_repository(trap: Trap, environment: dict[str, str]) -> None:
    later = trap.folder.stat().st_mtime + 10  # so that git would like to refresh its index
    os.utime(trap.folder / "inner" / "deep.txt", (later, later))
    index = trap.folder / ".git" / "index"
    before = index.stat().st_mtime_ns
    for command, *arguments in COMMANDS:
        if command != "diff":
            reads.read(trap.folder, command, *arguments, environment=environment)
    assert index.stat().st_mtime_ns == before
    entries = reads.read(trap.folder, "ls-files", "--stage", environment=environment)
    read_everything(trap, environment)  # `git diff` refreshes the times, as READING says
    assert reads.read(trap.folder, "ls-files", "--stage", environment=environment) == entries


# --- bounds ---------------------------------------------------------------------------------


def test_git_that_hangs_is_ended(trap: Trap, environment: dict[str, str]) -> None:
    os.mkfifo(trap.folder / ".git" / "pipe")
    trap.set("core.excludesFile", str(trap.folder / ".git" / "pipe"))
    with pytest.raises(GitFailed, match="longer than"):
        reads.read(
            trap.folder,
            "ls-files",
            "--others",
            "--exclude-standard",
            environment=environment,
            seconds=0.5,
        )


def test_output_is_cut_at_its_bound(trap: Trap, environment: dict[str, str]) -> None:
    found = reads.read(trap.folder, "ls-files", environment=environment, most_bytes=10)
    assert found and found.cut and found.content == b"app.txt\nin"


def test_only_commands_that_read_are_run(trap: Trap, environment: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        reads.read(trap.folder, "gc", environment=environment)


# --- one place ------------------------------------------------------------------------------

STARTERS = {"run", "Popen", "call", "check_call", "check_output", "system", "popen", "which"}
"""The functions that start, or find, what their first argument names."""


def starts_git(source: str) -> bool:
    """Whether a list or a tuple begins with git, as a command line does, or a call starts it."""
    if "git" not in source:  # parsing takes most of the time
        return False
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.List(elts=[first, *_]) | ast.Tuple(elts=[first, *_]):
                pass
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[first, *_]) if (
                name in STARTERS
            ):
                pass
            case _:
                continue
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            words = first.value.split()
            if words and Path(words[0]).name == "git":
                return True
    return False


def test_one_module_starts_git_in_repositories_of_others() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "opcode_htmx").rglob("*.py"))
        if starts_git(path.read_text(encoding="utf-8"))
    ]
    first_commit = "opcode_htmx/engines/claude/demo/sample.py"  # in a folder of our own files
    assert found == [first_commit, "opcode_htmx/lib/git/process.py"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("run(['git', 'status'])", True),
        ("command = ('/usr/bin/git', *more)", True),
        ("run('git status')", True),
        ("which('git')", True),
        ("run(['gitk'])", False),
        ("{'git': 1}", False),
    ],
)
def test_a_start_of_git_is_seen(source: str, found: bool) -> None:
    assert starts_git(source) == found
