"""What runs in a folder that is pushed to is listed, whatever that folder is, with real git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git.commands import programs, remotes
from opcode_htmx.lib.git.listing import repositories
from opcode_htmx.lib.git.listing.program import OF_FOLDER
from opcode_htmx.lib.git.policy import RUNNING
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.repo import Repo
from tests.support.copies import fill

HOOKS = ("post-index-change", "reference-transaction")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "orchard").make()


def log(repo: Repo) -> Path:
    return repo.top.parent / "ran"


def listed(repo: Repo) -> set[str]:
    found = programs.of(repo.git(), "push", remote="origin").found
    return {each.command for each in found if each.kind == OF_FOLDER}


def ran(repo: Repo) -> set[str]:
    """What has left its name in the log during a push."""
    log(repo).unlink(missing_ok=True)
    remotes.push(
        repo.git(RUNNING),
        remotes.push_plan(repo.git(RUNNING), "origin"),
        overwrite=False,
        progress=lambda _: None,
        settings=remotes.WITHOUT_HOOKS,
    )
    return set(log(repo).read_text().splitlines()) if log(repo).exists() else set()


def arm(at: Repo, repo: Repo, folder: Path, name: str) -> None:
    """Programs of a repository that leave `name` and their own in the log."""
    for each in HOOKS:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / each).write_text(f"#!/bin/sh\necho {name}-{each} >> {log(repo)}\n")
        (folder / each).chmod(0o755)
    for each in ("smudge", "clean"):
        at.set(f"filter.own.{each}", f"echo {name}-{each} >> {log(repo)}; cat")
    at.set("core.fsmonitor", f"echo {name}-monitor >> {log(repo)}; false")


def cloned(repo: Repo, name: str, *options: str) -> Repo:
    """A clone that is pushed to, with its files."""
    other = Repo(repo.top.parent / name)
    allow = ("-c", "protocol.file.allow=always")
    repo.plain(*allow, "clone", "-q", *options, str(repo.top), str(other.top))
    other.set("receive.denyCurrentBranch", "updateInstead")
    repo.remote(str(other.top))
    return other


def with_submodules(folder: Path) -> None:
    """A repository with one within one in it, and its clone, which gets new commits of both."""
    repo = Repo(folder / "orchard").make()
    sources = [Repo(repo.top.parent / name).make() for name in ("deep", "inner")]
    for each in sources:
        each.write(".gitattributes", "*.txt filter=own\n")
        each.write("a.txt", "one\n")
        each.commit()
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet")
    sources[1].plain(*add, "add", "../deep", "deep")
    sources[1].commit()
    repo.plain(*add, "add", "../inner", "inner")
    repo.plain(*add, "update", "--init", "--recursive")
    repo.commit()
    other = cloned(repo, "other", "--recurse-submodules")
    mine = Repo(repo.top / "inner"), Repo(repo.top / "inner/deep")
    for each in reversed(mine):
        each.set("user.name", "A")
        each.set("user.email", "a@b.example")
        each.write("a.txt", "two\n")
        each.commit()
    repo.commit()
    for each in mine:
        theirs = Repo(other.top / each.top.relative_to(repo.top))
        theirs.plain("fetch", "-q", "--no-recurse-submodules", str(each.top), "HEAD")


@pytest.mark.parametrize("where", ["modules", "own", "link"])
def test_programs_of_submodules_that_a_push_writes_are_listed(tmp_path: Path, where: str) -> None:
    fill(tmp_path, with_submodules)
    repo, other = Repo(tmp_path / "orchard"), Repo(tmp_path / "other")
    inner, deep = Repo(other.top / "inner"), Repo(other.top / "inner/deep")
    for each in (deep, inner):  # a push refuses files that are not those of the index
        each.plain("update-index", "-q", "--refresh")
    git_dir = other.top / ".git/modules/inner"
    if where == "own":  # as an older git has made it
        (inner.top / ".git").unlink()
        git_dir = git_dir.rename(inner.top / ".git")
        inner.plain("config", "--unset", "core.worktree", check=False)
        (deep.top / ".git").write_text("gitdir: ../.git/modules/deep\n")
        (git_dir / "modules/deep/config").write_text("[core]\n\trepositoryformatversion = 0\n")
    elif where == "link":
        for each in (deep, inner):
            each.plain("config", "core.worktree", str(each.top))
        elsewhere = repo.top.parent / "elsewhere/inner"
        elsewhere.parent.mkdir()
        git_dir.rename(elsewhere)
        git_dir.symlink_to(elsewhere)
        git_dir = elsewhere
    arm(inner, repo, git_dir / "hooks", "inner")
    arm(deep, repo, git_dir / "modules/deep/hooks", "deep")
    assert listed(repo) == set(), "git leaves submodules alone"
    other.set("submodule.recurse", "true")
    found = listed(repo)
    names = ran(repo)
    assert (inner.top / "a.txt").read_text() == "two\n"
    assert {"inner-smudge", "inner-post-index-change", "inner-reference-transaction"} <= names
    for name in names:
        assert any(name in each or each.endswith(f"/{name.partition('-')[2]}") for each in found)
    assert {str(git_dir / "hooks" / name) for name in HOOKS} <= found
    assert {str(git_dir / "modules/deep/hooks" / name) for name in HOOKS} <= found
    assert {f"echo {name}-smudge >> {log(repo)}; cat" for name in ("inner", "deep")} <= found


def test_a_folder_with_more_folders_than_can_be_looked_through_is_not_pushed_to(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit()
    other = cloned(repo, "other")
    other.set("submodule.recurse", "true")
    (other.top / "a/b/c").mkdir(parents=True)
    assert listed(repo) == set()
    monkeypatch.setattr(repositories, "MOST_FOLDERS", 3)
    with pytest.raises(GitFailed, match="too many folders"):
        listed(repo)


def test_programs_that_only_a_linked_worktree_there_names_are_listed(repo: Repo) -> None:
    repo.write(".gitattributes", "*.txt filter=own\n")
    repo.write("a.txt", "one\n")
    repo.commit()
    other = cloned(repo, "other")
    other.plain("switch", "-qc", "another")
    linked = Repo(repo.top.parent / "linked")
    other.plain("worktree", "add", "-q", str(linked.top), "main")
    other.set("extensions.worktreeConfig", "true")
    command = f"echo smudge >> {log(repo)}; cat"
    linked.plain("config", "--worktree", "filter.own.smudge", command)
    linked.plain("config", "--worktree", "core.hooksPath", "mine")
    hook = linked.write("mine/post-index-change", f"#!/bin/sh\necho hook >> {log(repo)}\n")
    hook.chmod(0o755)
    repo.write("a.txt", "two\n")
    repo.commit()
    assert listed(repo) == {command, str(hook)}
    assert ran(repo) == {"smudge", "hook"}


def test_hooks_in_a_folder_that_is_named_from_the_working_tree_are_listed(repo: Repo) -> None:
    repo.commit()
    other = cloned(repo, "other")
    other.set("core.hooksPath", "mine")
    hook = other.write("mine/post-index-change", f"#!/bin/sh\necho hook >> {log(repo)}\n")
    hook.chmod(0o755)
    repo.write("a", "two\n")
    repo.commit()
    assert listed(repo) == {str(hook)}
    assert ran(repo) == {"hook"}


def promised(repo: Repo) -> str:
    """A bare clone without files; the program that gets one."""
    repo.write("a", "".join(f"{number}\n" for number in range(5000)))
    repo.commit()
    repo.set("uploadpack.allowFilter", "true")
    bare = repo.top.parent / "bare"
    url = f"file://{repo.top}"
    repo.plain("clone", "-q", "--bare", "--filter=blob:none", url, str(bare))
    command = f"echo promisor >> {log(repo)}; git-upload-pack"
    repo.plain("--git-dir", str(bare), "config", "remote.origin.uploadpack", command)
    repo.remote(str(bare))
    repo.write("a", "".join(f"{number}\n" for number in range(5001)))
    repo.commit()
    return command


def test_a_program_that_gets_what_the_folder_itself_lacks_is_listed(repo: Repo) -> None:
    command = promised(repo)
    assert listed(repo) == {command}
    assert ran(repo) == {"promisor"}
    bare = str(repo.top.parent / "bare")
    repo.plain("--git-dir", bare, "config", "credential.helper", "ask")
    assert listed(repo) == {command, "ask"}


def test_a_program_that_cleaning_up_there_runs_is_listed(repo: Repo) -> None:
    """Of versions of git from 2.42 on."""
    repo.commit()
    other = cloned(repo, "other")
    other.set("gc.recentObjectsHook", "recent")
    assert listed(repo) == {"recent"}


def _as_folder(repo: Repo) -> Path:
    return repo.top.parent / "%(prefix)"


def _as_home(repo: Repo) -> Path:
    return Path("~/bare")


@pytest.mark.parametrize("path", [_as_folder, _as_home])
def test_a_folder_is_found_as_git_finds_it(repo: Repo, path: Callable[[Repo], Path]) -> None:
    repo.commit()
    named = path(repo)
    bare = repo.top.parent / named.name
    repo.plain("init", "-q", "--bare", "-b", "main", str(bare))
    hook = bare / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho hook >> {log(repo)}\n")
    hook.chmod(0o755)
    repo.remote(str(named))
    assert listed(repo) == {str(hook)}
    assert ran(repo) == {"hook"}
