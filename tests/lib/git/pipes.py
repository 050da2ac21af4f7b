"""Files of a repository that a pipe stands in place of."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from opcode_htmx.lib.git import worktrees
from opcode_htmx.lib.git.integration import merges
from opcode_htmx.lib.git.repository import RepositoryRefused
from tests.lib.git.commands.repo import Repo


def of_a_worktree(repo: Repo) -> Callable[[], object]:
    (repo.top / ".git/worktrees/copy/gitdir").unlink()
    os.mkfifo(repo.top / ".git/worktrees/copy/gitdir")
    return lambda: worktrees.inside(repo.top / ".git", repo.top)


def of_ignored_files(repo: Repo) -> Callable[[], object]:
    exclude = repo.top / ".git/info/exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.unlink(missing_ok=True)
    os.mkfifo(exclude)

    def make() -> object:
        with pytest.raises(RepositoryRefused, match="exclude is a pipe"):
            worktrees.make(repo.top, "another", repo.environment)
        return None

    return make


def of_a_branch(repo: Repo) -> Callable[[], object]:
    log = repo.top / ".git/logs/refs/heads/copy"
    log.unlink()
    os.mkfifo(log)
    folder = repo.top / worktrees.PLACE / "copy"
    return lambda: worktrees.remove(folder, repo.environment)


def of_a_rebase(repo: Repo) -> Callable[[], object]:
    git = worktrees.at(repo.top, repo.environment)
    found = worktrees.listed(git)
    (repo.top / ".git/rebase-merge").mkdir()
    os.mkfifo(repo.top / ".git/rebase-merge/head-name")

    def merge() -> object:
        with pytest.raises(merges.NothingToMerge):
            merges.merge(git, "main", "copy", merges.Way.MERGE, "x", found)
        return None

    return merge
