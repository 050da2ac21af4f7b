"""Worktrees of a bare repository: made, listed, and removed with nothing lost unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.lib.git import linked_worktrees, worktrees
from opcode_htmx.lib.git.clones import transfer
from opcode_htmx.lib.git.clones.bare import BareRepository
from opcode_htmx.lib.git.linked_worktrees import WouldLose
from tests.support.copies import fill
from tests.support.environment import SYSTEM_PATH
from tests.support.outside.git_server import GitServer, git

START = "refs/remotes/origin/main"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, "HOME": str(tmp_path)}


@pytest.fixture
def bare(tmp_path: Path, environment: dict[str, str]) -> BareRepository:
    fill(tmp_path, _cloned)
    return BareRepository.at(tmp_path / "c", environment)


def _cloned(folder: Path) -> None:
    remote = GitServer(folder).repository("o/n", branches=("other",))
    environment = {"PATH": SYSTEM_PATH, "HOME": str(folder)}
    transfer.clone(f"file://{remote}", folder / "c", environment)


@pytest.fixture
def made(bare: BareRepository, tmp_path: Path, environment: dict[str, str]) -> Path:
    target = tmp_path / "w"
    linked_worktrees.add(bare, target, "session-1", START, environment)
    return target


def test_a_worktree_is_on_a_branch_of_its_own_and_runs_nothing(
    bare: BareRepository, tmp_path: Path, environment: dict[str, str]
) -> None:
    mark = tmp_path / "mark"
    git(bare.path, "config", "filter.trap.smudge", f"touch {mark}; cat")
    git(bare.path, "config", "core.fsmonitor", f"touch {mark}")
    (bare.path / "info").mkdir(exist_ok=True)
    (bare.path / "info" / "attributes").write_text("* filter=trap\n")
    (bare.path / "hooks").mkdir(exist_ok=True)
    hook = bare.path / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    linked_worktrees.add(bare, tmp_path / "w", "session-1", START, environment)
    (found,) = linked_worktrees.listed(bare)
    assert (found.path, found.branch, found.is_gone) == (tmp_path / "w", "session-1", False)
    assert found.commit == bare.refs(START)[START]
    assert (tmp_path / "w" / "file-0.txt").read_text().startswith("text 0")
    assert not linked_worktrees.losses(tmp_path / "w", environment)
    assert not mark.exists()


def test_what_would_be_lost_is_named_and_not_removed(
    bare: BareRepository, made: Path, environment: dict[str, str]
) -> None:
    (made / "file-0.txt").write_text("changed")
    (made / "new\n\u202efile").write_text("x")
    loss = linked_worktrees.losses(made, environment)
    assert loss.sentence == "1 changed file, 1 new file"
    assert loss.paths == ("file-0.txt", "new\n\u202efile")
    with pytest.raises(WouldLose):
        linked_worktrees.remove(bare, made, environment)
    assert made.exists()
    linked_worktrees.remove(bare, made, environment, force=True)
    assert not made.exists()
    assert linked_worktrees.listed(bare) == []


def test_commits_of_no_branch_are_a_loss_and_those_of_its_branch_stay(
    bare: BareRepository, made: Path, environment: dict[str, str]
) -> None:
    git(made, "commit", "-q", "--allow-empty", "-m", "mine")
    assert not linked_worktrees.losses(made, environment)
    assert bare.unpublished().subjects == ("mine",)
    git(made, "checkout", "-q", "--detach")
    git(made, "commit", "-q", "--allow-empty", "-m", "nowhere")
    loss = linked_worktrees.losses(made, environment)
    assert (loss.sentence, loss.commits.subjects) == ("1 commit that no branch has", ("nowhere",))
    git(made, "checkout", "-q", "session-1")
    linked_worktrees.remove(bare, made, environment)
    assert "refs/heads/session-1" in bare.refs()


def test_worktrees_within_one_are_a_loss_although_git_ignores_them(
    bare: BareRepository, made: Path, environment: dict[str, str]
) -> None:
    copy = worktrees.make(made, "copy", environment)
    assert copy.is_relative_to(made)
    (copy / "only here").write_text("x")
    assert git(made, "status", "--short") == ""
    loss = linked_worktrees.losses(made, environment)
    assert (loss.sentence, loss.paths) == ("1 worktree in it", (".claude/worktrees/copy",))
    with pytest.raises(WouldLose):
        linked_worktrees.remove(bare, made, environment)
    assert (copy / "only here").exists()
    linked_worktrees.remove(bare, copy, environment, force=True)
    assert not linked_worktrees.losses(made, environment)
    linked_worktrees.remove(bare, made, environment)
    assert not made.exists()


def test_a_branch_without_commits_of_its_own_goes_with_its_worktree(
    bare: BareRepository, made: Path, environment: dict[str, str]
) -> None:
    linked_worktrees.remove(bare, made, environment)
    assert set(bare.refs("refs/heads/")) == {"refs/heads/main"}


def test_a_worktree_whose_folder_is_gone_is_listed_until_it_is_pruned(
    bare: BareRepository, made: Path
) -> None:
    made.rename(made.with_name("moved"))
    assert [each.is_gone for each in linked_worktrees.listed(bare)] == [True]
    linked_worktrees.prune(bare)
    assert linked_worktrees.listed(bare) == []


def test_one_whose_disk_is_unmounted_is_not_forgotten_with_commits_of_no_branch(
    bare: BareRepository, made: Path, environment: dict[str, str]
) -> None:
    git(made, "switch", "-q", "--detach")
    (made / "file-0.txt").write_text("mine\n")
    git(made, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qam", "of no branch")
    away = made.with_name("unmounted")
    made.rename(away)
    with pytest.raises(WouldLose, match="1 commit that no branch has"):
        linked_worktrees.prune(bare)
    away.rename(made)
    assert linked_worktrees.losses(made, environment).commits.commits == 1
    git(made, "branch", "kept")
    made.rename(away)
    linked_worktrees.prune(bare)
    assert linked_worktrees.listed(bare) == []


def test_work_in_a_submodule_is_a_loss(
    bare: BareRepository, made: Path, environment: dict[str, str]
) -> None:
    inner = made / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    git(inner, "commit", "-q", "--allow-empty", "-m", "nowhere else")
    git(made, "add", "inner")
    git(made, "commit", "-q", "-m", "a submodule")
    loss = linked_worktrees.losses(made, environment)
    assert (loss.sentence, loss.paths) == ("1 submodule with work of its own", ("inner",))
