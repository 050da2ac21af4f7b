"""Exactly the programs are listed that a push to a folder of this machine runs there."""

from __future__ import annotations

import os

import pytest

from opcode_htmx.lib.git.commands import programs
from opcode_htmx.lib.git.listing.program import OF_FOLDER
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.repo import Repo
from tests.lib.git.listing.listed import push

HOOK = "#!/bin/sh\necho $(basename $0) >> {}\n"
TARGET_HOOKS = ("pre-receive", "update", "post-receive", "post-update", "reference-transaction")


def kinds(repo: Repo, act: programs.Act, kind: str) -> list[tuple[str, str]]:
    found = programs.of(repo.git(), act, remote="origin").found
    return [(each.name, each.command) for each in found if each.kind == kind]


def test_what_runs_in_a_folder_that_is_pushed_to_is_listed(repo: Repo) -> None:
    home = repo.top.parent
    repo.plain("init", "-q", "--bare", "-b", "main", str(home / "bare"))
    (home / "linked").mkdir()
    (home / "linked/.git").write_text("gitdir: ../bare\n")
    log = home / "ran"
    for name in TARGET_HOOKS:
        path = home / "bare/hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(HOOK.format(log))
        path.chmod(0o755)
    repo.plain("remote", "add", "origin", "")
    for way in (
        f"{home}/bare",
        f"file://{home}/bare",
        "../bare",
        "../linked",
        f"file://{home}/b%61re",
    ):
        repo.plain("remote", "set-url", "origin", way)
        found = programs.of(repo.git(), "push", remote="origin")
        assert not found.can_be_left_out, "git runs them whatever its options are"
        push(repo)
        listed = {each.name for each in found.found if each.kind == OF_FOLDER}
        assert listed == set(log.read_text().split()), way
        log.unlink()
        repo.commit("next")
    assert kinds(repo, "fetch", OF_FOLDER) == []
    (home / "bare/hooks/update").write_text("#!/bin/sh\n")
    assert programs.of(repo.git(), "push", remote="origin").digest != found.digest


def test_a_folder_with_files_runs_filters_and_hooks_that_its_settings_name(repo: Repo) -> None:
    other = Repo(repo.top.parent / "other").make()
    other.set("core.hooksPath", "mine")
    other.write(".git/mine/push-to-checkout", "#!/bin/sh\n").chmod(0o755)
    other.set("filter.own.smudge", "cat")
    repo.remote(str(other.top))
    assert [name for name, _ in kinds(repo, "push", OF_FOLDER)] == ["push-to-checkout"]
    other.set("receive.denyCurrentBranch", "updateInstead")
    assert [name for name, _ in kinds(repo, "push", OF_FOLDER)] == [
        "push-to-checkout",
        "filter.own.smudge",
    ]


@pytest.mark.parametrize("filters", [("clean", "smudge"), ("process",)])
def test_every_filter_of_a_folder_whose_files_a_push_writes_is_listed(
    repo: Repo, filters: tuple[str, ...]
) -> None:
    log = repo.top.parent / "ran"
    repo.write(".gitattributes", "*.txt filter=own\n")
    repo.write("a.txt", "one\n")
    repo.commit()
    other = Repo(repo.top.parent / "other")
    repo.plain("clone", "-q", str(repo.top), str(other.top))
    other.set("receive.denyCurrentBranch", "updateInstead")
    commands = {f"filter.own.{kind}": f"echo {kind} >> {log}; cat" for kind in filters}
    for name, command in commands.items():
        other.set(name, command)
    os.utime(other.top / "a.txt", (1, 1))  # git looks whether it changed
    repo.remote(str(other.top))
    repo.write("a.txt", "two\n")
    repo.commit()
    assert kinds(repo, "push", OF_FOLDER) == list(commands.items())
    push(repo)
    assert set(log.read_text().split()) == set(filters), "git has run them"


def test_hooks_run_for_a_push_to_the_git_folder_of_a_linked_worktree_are_listed(
    repo: Repo,
) -> None:
    other, log = Repo(repo.top.parent / "other"), repo.top.parent / "ran"
    repo.plain("clone", "-q", str(repo.top), str(other.top))
    other.plain("worktree", "add", "-q", "-b", "side", "../linked")
    other.set("receive.denyCurrentBranch", "ignore")
    hook = other.write(".git/hooks/post-receive", HOOK.format(log))
    hook.chmod(0o755)
    repo.remote(f"{other.top}/.git/worktrees/linked")
    repo.commit()
    assert kinds(repo, "push", OF_FOLDER) == [("post-receive", str(hook))]
    push(repo)
    assert log.read_text() == "post-receive\n"


@pytest.mark.parametrize("decoy", ["broken HEAD", "objects in a file", "another name"])
def test_hooks_of_the_repository_that_git_takes_are_listed(repo: Repo, decoy: str) -> None:
    base, log = repo.top.parent / "base", repo.top.parent / "ran"
    taken = base / "real " if decoy == "another name" else base
    repo.plain("init", "-q", "--bare", "-b", "main", str(taken))
    if decoy == "another name":
        repo.plain("init", "-q", "--bare", "-b", "main", str(base / "real"))
        (base / ".git").write_text("gitdir: real \n")
    else:
        (base / ".git/refs").mkdir(parents=True)
        is_broken = decoy == "broken HEAD"
        (base / ".git/HEAD").write_text("junk\n" if is_broken else "ref: refs/heads/main\n")
        objects = base / ".git/objects"
        objects.mkdir() if is_broken else objects.touch()
    hook = taken / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK.format(log))
    hook.chmod(0o755)
    repo.remote(str(base))
    repo.commit()
    assert kinds(repo, "push", OF_FOLDER) == [("pre-receive", str(hook))]
    push(repo)
    assert log.read_text() == "pre-receive\n"


def test_a_file_in_place_of_a_repository_is_not_read_whole(repo: Repo) -> None:
    file = repo.top.parent / "base/.git"
    file.parent.mkdir()
    file.write_text("gitdir: there")
    os.truncate(file, 1 << 40)
    repo.remote(str(file.parent))
    repo.commit()
    with pytest.raises(GitFailed, match="is too large"):
        kinds(repo, "push", OF_FOLDER)
