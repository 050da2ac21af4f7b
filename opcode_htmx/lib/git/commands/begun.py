"""What a rebase, a cherry-pick or a revert that has begun goes on with, read from its files."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing.settings import LISTING
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.late.patterns import late_pattern

MOST_BYTES = 1024 * 1024
_EXEC = late_pattern(rb"^[ \t]*+(?:exec|x)\s+(\S.*)$", re.MULTILINE)
_STRATEGIES = frozenset({"ort", "recursive", "resolve", "octopus", "ours", "subtree"})
"""Git's own; another one is a program, `git-merge-NAME`, and may lie in the working tree."""
_SIGNING = "rebase-merge/gpg_sign_opt", "rebase-apply/gpg_sign_opt"


def small_file(path: Path) -> bytes:
    """The begin of a file; empty where there is none: opening a pipe would wait for its writer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            return file.read(MOST_BYTES)
    except OSError:
        return b""


def commands(git: Git) -> Iterator[str]:
    """The commands of the shell in the steps that are left, each as `os.fsdecode` gives it.

    Raises GitFailed.
    """
    for match in _EXEC.finditer(_file(git, "rebase-merge/git-rebase-todo")):
        yield os.fsdecode(match[1])


def foreign_strategies(git: Git) -> Iterator[str]:
    """Merge strategies that are no part of git. Raises GitFailed."""
    path = "rebase-merge/strategy"
    is_named = os.path.lexists(git.repository.git_dir / path)
    rebase = [os.fsdecode(_file(git, path)).removesuffix("\n")] if is_named else []
    # an empty one is the program `git merge-`
    for name in (*rebase, *_options(git, "options.strategy")):
        if name not in _STRATEGIES:
            yield name


def is_signed(git: Git) -> bool:
    """Whether commits are signed because it was begun so. Raises GitFailed."""
    return any(_file(git, name) for name in _SIGNING) or any(
        True for _ in _options(git, "options.gpg-sign")
    )


def _options(git: Git, key: str) -> Iterator[str]:
    """Those of a cherry-pick or a revert."""
    name = "sequencer/opts"
    if not _file(git, name):
        return
    path = str(git.repository.git_dir / name)
    output = git.under(LISTING).run("config", "--file", path, "--no-includes", "--list", "-z")
    for pair in os.fsdecode(output.content).split("\0"):
        found, _, value = pair.partition("\n")
        if found == key:
            yield value


def _file(git: Git, name: str) -> bytes:
    """A file of what has begun; empty if there is none. Raises GitFailed."""
    path = git.repository.git_dir / name
    content = small_file(path)
    if len(content) == MOST_BYTES or (not content and path.exists() and path.stat().st_size):
        raise GitFailed(f"{path} cannot be looked through for programs.")
    return content
