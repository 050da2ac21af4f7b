"""Commits, branches and stashes are made, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.lib.git.commands import branches, commits, staging, stashes, state
from opcode_htmx.lib.git.discards import kept
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.begun import stage
from tests.lib.git.commands.repo import Repo


def test_a_commit_takes_the_message_as_it_is(repo: Repo) -> None:
    stage(repo)
    message = "Prune the trees\n\n# no comment\n  --amend ü"
    made = commits.commit(repo.git(), f"{message}\n\n")
    found = commits.last(repo.git())
    assert found
    assert (found.id, found.message, found.pushed_to) == (made, message, ())
    with pytest.raises(commits.NothingStaged):
        commits.commit(repo.git(), "again")
    with pytest.raises(commits.InvalidMessage, match="Type a message"):
        commits.commit(repo.git(), " \n")
    amended = commits.commit(repo.git(), "Prune", amend=True)
    assert repo.plain("rev-list", "--count", "HEAD") == b"2\n"
    assert commits.last(repo.git()).id == amended != made  # type: ignore[union-attr]


def test_a_first_commit_and_an_identity(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "new").make()
    repo.plain("config", "--remove-section", "user")
    assert commits.last(repo.git()) is None
    assert commits.identity(repo.git()) == ""
    with pytest.raises(commits.InvalidMessage, match="name"):
        commits.set_identity(repo.git(), "A <b>", "a@b.example")
    commits.set_identity(repo.git(), "Ada", "a@b.example")
    assert commits.identity(repo.git()) == "Ada <a@b.example>"
    with pytest.raises(commits.NothingStaged):
        commits.commit(repo.git(), "x")
    repo.write("a", "a\n")
    staging.stage_files(repo.git(), repo.state().unstaged)
    commits.commit(repo.git(), "x")
    assert repo.plain("log", "--format=%an %s") == b"Ada x\n"


def test_a_name_that_is_none_is_refused(repo: Repo) -> None:
    names = ("", " ", "-d", "--", "a b", "a..b", "a~1", "@{-1}", "x.lock", "HEAD", "a\nb")
    for name in (*names, "ü\u202e"):
        with pytest.raises(branches.InvalidName):
            pytest.fail(f"made {name!r}: {branches.create(repo.git(), name)}")
        with pytest.raises(branches.NoBranch):
            pytest.fail(f"{name!r} is {branches.commit_of(repo.git(), name)}")


def test_branches_are_made_switched_to_deleted_and_brought_back(repo: Repo) -> None:
    branches.create(repo.git(), "grow/ü")
    branches.switch(repo.git(), "grow/ü")
    repo.commit("more")
    head = repo.head()
    found, is_cut = branches.listed(repo.git())
    assert not is_cut
    assert {(b.name, b.is_current, b.is_merged) for b in found} == {
        ("grow/ü", True, True),
        ("main", False, True),
    }
    branches.switch(repo.git(), "main")
    with pytest.raises(GitFailed, match="not fully merged"):
        branches.delete(repo.git(), "grow/ü", head)
    assert kept.listed(repo.git()) == []
    repo.plain("merge", "-q", "grow/ü")
    with pytest.raises(state.StateChanged):
        branches.delete(repo.git(), "grow/ü", "0" * 40)
    kept_id = branches.delete(repo.git(), "grow/ü", head)
    with pytest.raises(branches.NoBranch):
        branches.commit_of(repo.git(), "grow/ü")
    assert branches.bring_back(repo.git(), kept_id) == "grow/ü"
    assert branches.commit_of(repo.git(), "grow/ü") == head
    with pytest.raises(branches.NoBranch):
        branches.switch(repo.git(), "main~0")


def test_a_switch_keeps_changes_or_puts_them_into_a_stash(repo: Repo) -> None:
    branches.create(repo.git(), "other")
    branches.switch(repo.git(), "other")
    repo.write("a", "other\n")
    repo.commit()
    branches.switch(repo.git(), "main")
    repo.write("b", "new\n")
    branches.switch(repo.git(), "other")
    assert (repo.top / "b").exists(), "it came along"
    repo.write("a", "mine\n")
    with pytest.raises(GitFailed, match="would be overwritten"):
        branches.switch(repo.git(), "main")
    branches.switch(repo.git(), "main", stash=True)
    assert not (repo.top / "b").exists()
    (stash,) = stashes.listed(repo.git())
    assert stash.has_untracked
    assert "Before the switch to main" in stash.message


def test_a_stash_that_was_dropped_comes_back(repo: Repo) -> None:
    assert stashes.push(repo.git()) == ""
    repo.write("a", "two\n")
    repo.plain("add", "a")
    repo.write("b", "new\n")
    made = stashes.push(repo.git(), "--all\nthe trees")
    assert repo.plain("status", "--porcelain") == b""
    kept_id = stashes.discard(repo.git(), made)
    assert stashes.listed(repo.git()) == []
    with pytest.raises(state.StateChanged):
        stashes.take(repo.git(), made, drop=True)
    repo.plain("reflog", "expire", "--expire=now", "--all")
    repo.plain("gc", "-q", "--prune=now")
    stashes.bring_back(repo.git(), kept_id)
    (found,) = stashes.listed(repo.git())
    assert (found.commit, found.message) == (made, "On main: --all the trees")
    stashes.take(repo.git(), made, drop=True)
    assert repo.plain("status", "--porcelain") == b"M  a\n?? b\n"
    assert stashes.listed(repo.git()) == []
