"""A worktree for an agent: made without running anything of the repository's."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git import revisions, worktrees
from opcode_htmx.lib.git.repository import RepositoryRefused
from tests.support.environment import SYSTEM_PATH
from tests.support.plain_git import GIT


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
    return {"PATH": SYSTEM_PATH, "HOME": str(tmp_path), "GIT_COMMITTER_EMAIL": "a@b", **who}


@pytest.fixture
def git(tmp_path: Path, environment: dict[str, str]) -> Callable[..., str]:
    top = tmp_path / "orchard"
    (top / "trees").mkdir(parents=True)

    def run(*arguments: str) -> str:
        return subprocess.run(
            [*GIT, *arguments],
            cwd=top,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    run("init", "-q", "-b", "main")
    (top / "trees" / "apple").write_text("red\n")
    (top / ".gitattributes").write_text("apple filter=trap\n")
    run("add", "-A")
    return run


def test_a_worktree_is_a_copy_of_the_last_commit_and_runs_no_hook_and_no_filter(
    tmp_path: Path, git: Callable[..., str], environment: dict[str, str]
) -> None:
    top, mark = tmp_path / "orchard", tmp_path / "mark"
    git("commit", "-qm", "x")
    hook = top / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    git("config", "core.logAllRefUpdates", "false")
    git("config", "filter.trap.smudge", f"touch {mark}; cat")
    (top / "trees" / "apple").write_text("green\n")

    made = worktrees.make(top / "trees", "gardener-1", environment)
    assert made == top / ".claude" / "worktrees" / "gardener-1" / "trees"
    assert (made / "apple").read_text() == "red\n"
    assert not mark.exists()
    assert worktrees.make(top / "trees", "gardener-1", environment) == made
    assert git("branch", "--list", "gardener-1").strip(" +\n") == "gardener-1"
    assert git("status", "--short") == " M trees/apple\n"
    git("worktree", "add", "-q", str(tmp_path / "by-hand"))
    assert mark.exists(), "plain git runs it, so this trap is one"

    worktrees.remove(made.parent, environment)
    assert not made.parent.exists()
    assert not git("branch", "--list", "gardener-1")
    again = worktrees.make(top, "gardener-1", environment)
    git("-C", str(again), "commit", "-q", "--allow-empty", "-m", "y")
    worktrees.remove(again, environment)
    assert not again.exists()
    assert git("branch", "--list", "gardener-1"), "it has a commit of its own"


def test_without_a_commit_or_a_repository_there_is_none(
    tmp_path: Path, git: Callable[..., str], environment: dict[str, str]
) -> None:
    with pytest.raises(revisions.NoRepository, match="no commit"):
        worktrees.make(tmp_path / "orchard", "a", environment)
    with pytest.raises(revisions.NoRepository, match="no git repository"):
        worktrees.make(tmp_path, "a", environment)
    git("commit", "-qm", "x")
    (tmp_path / "orchard" / ".claude").symlink_to(tmp_path)
    with pytest.raises(RepositoryRefused, match="is a link"):
        worktrees.make(tmp_path / "orchard", "a", environment)
    with pytest.raises(ValueError, match="cannot be the name"):
        worktrees.make(tmp_path / "orchard", "../a", environment)
