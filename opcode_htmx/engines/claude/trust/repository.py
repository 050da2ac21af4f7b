"""The git repository around a folder, as Claude determines it. Reads files, starts no git."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.lib.git import repository
from opcode_htmx.lib.git.repository import RepositoryRefused


def repository_root(folder: Path) -> Path | None:
    """The nearest folder, this one or one above, that holds `.git`; None where there is none."""
    return next((each for each in (folder, *folder.parents) if _exists(each / ".git")), None)


def main_checkout(root: Path) -> Path | None:
    """The folder of the repository that `root` is a worktree of; None where it is none.

    A `.git` file can name any folder. It counts only where the repository that it names refers back
    to it: else a downloaded folder could pass for a worktree of a repository that is trusted.
    """
    try:
        found = repository.find(root, lambda _: None)
    except RepositoryRefused:
        return None
    if found is None or found.git_dir == found.common_dir or found.common_dir.name != ".git":
        return None
    return found.common_dir.parent


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:
        return False
