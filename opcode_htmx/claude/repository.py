"""The git repository around a folder, as Claude determines it. Reads files, starts no git."""

from __future__ import annotations

from pathlib import Path

_MOST_BYTES = 4096


def repository_root(folder: Path) -> Path | None:
    """The nearest folder, this one or one above, that holds `.git`; None where there is none."""
    return next((each for each in (folder, *folder.parents) if _exists(each / ".git")), None)


def main_checkout(root: Path) -> Path | None:
    """The folder of the repository that `root` is a worktree of; None where it is none.

    A `.git` file can name any folder. It counts only where the repository that it names refers back
    to it: else a downloaded folder could pass for a worktree of a repository that is trusted.
    """
    marker = root / ".git"
    try:
        if not marker.is_file():
            return None
        named = _line(marker)
        if not named.startswith("gitdir:"):
            return None
        git_dir = (root / named.removeprefix("gitdir:").strip()).resolve()
        back = Path(_line(git_dir / "gitdir"))
        common = (git_dir / _line(git_dir / "commondir")).resolve()
    except (OSError, ValueError):
        return None
    back = back if back.is_absolute() else git_dir / back
    is_worktree = git_dir.parent == common / "worktrees" and common.name == ".git"
    return common.parent if is_worktree and back.resolve() == marker.resolve() else None


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:
        return False


def _line(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", "surrogateescape").strip()
