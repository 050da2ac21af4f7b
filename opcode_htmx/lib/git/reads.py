"""The git commands that read a repository, and the options that let them run no programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from opcode_htmx.lib.git import process
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.process import GitFailed, Output
from opcode_htmx.lib.git.repository import RepositoryRefused

__all__ = ["GitFailed", "RepositoryRefused", "read"]

_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--no-color")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "ls-files": (),
    "rev-parse": (),
    "status": ("--ignore-submodules=dirty",),
    "diff": _DIFF,
    "log": (*_DIFF, "--no-show-signature"),
    "show": (*_DIFF, "--no-show-signature"),
}
"""The reading commands, each with the options that a repository's settings must not decide.
Submodules are not inspected: that would start git in them, under their own configuration."""


def read(
    folder: Path,
    command: str,
    *arguments: str,
    environment: Mapping[str, str],
    seconds: float = process.SECONDS,
    most_bytes: int = process.MOST_BYTES,
) -> Output | None:
    """Run one of COMMANDS in a folder; None if the folder is in no repository.

    Raises GitFailed, and RepositoryRefused if the repository is not the folder's own.
    """
    git = Git.at(folder, environment)
    if git is None:
        return None
    return git.run(
        command,
        *COMMANDS[command],
        *arguments,
        seconds=seconds,
        most_bytes=most_bytes,
    )
