"""Make a linked worktree, and write its files without running what its settings name.

`git worktree add` writes the files by another git, which reads the settings in the new worktree. A
repository may include some for that place or branch only, with filters that nothing has overridden.
So the worktree is made without files, and these are written under what is found in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import WRITING
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused

BEGUN = "initializing"
"""The reason of the lock that a worktree has until it is whole, as git itself has it."""
_EMPTY = ("--no-checkout", "--lock", "--reason", BEGUN)


def add(
    run: Callable[..., object],
    target: Path,
    options: tuple[str, ...],
    start: tuple[str, ...],
    environment: Mapping[str, str],
    seconds: float,
) -> None:
    """Make a worktree at `target`, which does not exist; `run` runs git in its repository.

    `options` are further ones of `git worktree add`, `start` is what is checked out. Raises
    GitFailed, RepositoryRefused: then it is removed again.
    """
    run("worktree", "add", *_EMPTY, *options, "--", str(target), *start, seconds=seconds)
    try:
        there = Git.at(target, environment, WRITING)
        if there is None or there.repository.top != target.resolve():
            raise RepositoryRefused(f"{target} is no worktree.")
        there.run("reset", "--hard", "--quiet", "--no-recurse-submodules", seconds=seconds)
        run("worktree", "unlock", "--", str(target))
    except BaseException:
        with contextlib.suppress(GitFailed):
            run("worktree", "remove", "--force", "--force", "--", str(target), seconds=seconds)
        raise
