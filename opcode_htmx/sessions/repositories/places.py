"""Where clones and worktrees lie, and the names that they have.

    <folder>/repos/owner__name                          a bare clone
    <folder>/worktrees/owner__name__<session>           a worktree of it

What is being made or removed has a name that begins with a dot, so a listing shows whole things.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.policies.working_folders import InvalidFolder, WorkingFolders

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?"
_REPOSITORY = late_pattern(rf"{_PART}__{_PART}", re.ASCII)
_WORKTREE = late_pattern(
    r"(.{1,250})__([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", re.ASCII
)
_CLONING = late_pattern(r"\.clone-(.{1,250})-[0-9a-f]{16}", re.ASCII)
_REMOVED = ".removed-"


class NoSuchRepository(Exception):
    """There is no clone of this name; the text says so."""


class NoSuchWorktree(Exception):
    """There is no worktree of this name; the text says so."""


@dataclass(frozen=True, slots=True)
class WorktreeName:
    """The two parts of a worktree's name."""

    repo: str
    session_id: str

    def __str__(self) -> str:
        return f"{self.repo}__{self.session_id}"

    @property
    def title(self) -> str:
        """The repository in a person's words: `owner/name`."""
        return self.repo.replace("__", "/", 1)


class Places:
    """The folders of clones and worktrees below one folder."""

    def __init__(self, folder: Path, working: WorkingFolders) -> None:
        self.folder = folder
        self._working = working
        self.repos = folder / "repos"
        self.worktrees = folder / "worktrees"

    def make(self) -> None:
        """Make the folders that are missing. Raises InvalidFolder where nothing may be made."""
        for each in (self.repos, self.worktrees):
            if self._working.make(str(each)) != each.resolve():
                raise InvalidFolder(f"“{each}” cannot be used.")

    def repo(self, repo: str) -> Path:
        """Where the clone of this name lies, or would lie. Raises NoSuchRepository."""
        if not _REPOSITORY.fullmatch(repo):
            raise NoSuchRepository("There is no repository of this name here.")
        return self.repos / repo

    def existing_repo(self, repo: str) -> Path:
        """The clone of this name. Raises NoSuchRepository."""
        path = self.repo(repo)
        if not _is_folder(path):
            raise NoSuchRepository("There is no repository of this name here.")
        return path

    def worktree(self, name: WorktreeName) -> Path:
        """Where the worktree of this name lies, or would lie."""
        return self.worktrees / str(name)

    def existing_worktree(self, text: str) -> WorktreeName:
        """The worktree of this name. Raises NoSuchWorktree."""
        found = worktree_name(text)
        if found is None or not _is_folder(self.worktree(found)):
            raise NoSuchWorktree("There is no worktree of this name here.")
        return found

    def repo_names(self) -> list[str]:
        """The clones, by name."""
        return sorted(
            (name for name in _folders(self.repos) if _REPOSITORY.fullmatch(name)),
            key=str.casefold,
        )

    def worktree_names(self) -> list[WorktreeName]:
        """The worktrees, by name."""
        found = (worktree_name(name) for name in sorted(_folders(self.worktrees)))
        return [name for name in found if name]

    def new_clone(self, repo: str) -> Path:
        """A name under which a clone is made."""
        return self.repos / f".clone-{repo}-{secrets.token_hex(8)}"

    def removed(self, path: Path) -> Path:
        """A name beside a folder, under which it is removed."""
        return path.with_name(f"{_REMOVED}{secrets.token_hex(8)}")

    def begun_clones(self) -> Iterator[tuple[str, Path]]:
        """Clones that are being made, or were when a server died: their names and folders."""
        for name in _folders(self.repos):
            if match := _CLONING.fullmatch(name):
                yield match[1], self.repos / name

    def begun_removals(self) -> Iterator[Path]:
        """What is being removed, or was when a server died."""
        for folder in (self.repos, self.worktrees):
            yield from (folder / name for name in _folders(folder) if name.startswith(_REMOVED))


def worktree_name(text: str) -> WorktreeName | None:
    """The parts of a worktree's name; None if it is none."""
    match = _WORKTREE.fullmatch(text)
    if match is None or not _REPOSITORY.fullmatch(match[1]):
        return None
    return WorktreeName(match[1], match[2])


def named_after_clone(folder: str) -> WorktreeName | None:
    """The same of the path of a worktree, by its last two parts."""
    place, _, name = folder.rpartition("/")
    return worktree_name(name) if place.endswith("/worktrees") else None


def own_name(folder: Path) -> str:
    """A folder's own name; `owner/name (01234567)` for the worktree of a session."""
    cloned = named_after_clone(str(folder))
    return f"{cloned.title} ({cloned.session_id[:8]})" if cloned else folder.name or "/"


def is_repository_name(text: str) -> bool:
    return _REPOSITORY.fullmatch(text) is not None


def _folders(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir() if _is_folder(each)]
    except OSError:
        return []


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
