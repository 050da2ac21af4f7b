"""The working trees of sessions: which may be snapshot, and how long the last snapshot took."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.json_fields import number
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.lib.git.snapshots.tree import SnapshotFailed, WorkingTree, private_folder
from opcode_htmx.runs.policies.working_folders import InvalidFolder, WorkingFolders

QUICK_SECONDS = 1.5
"""A tree whose snapshots take longer gets none by itself, unless a person has chosen so."""
LAST = 3
"""Snapshots of which the times are kept."""
AGAIN_SECONDS = 86400.0
_TIMES = JsonFileSchema(1, lambda content: [number(each) for each in content["last"]])


class CheckpointRefused(Exception):
    """A checkpoint cannot be taken or restored; the text is a sentence for the person."""


class Trees:
    """Opens the working trees of sessions."""

    def __init__(
        self, store: Path, environment: Mapping[str, str], folders: Callable[[], WorkingFolders]
    ) -> None:
        """`store` has the private folder of each tree; `environment` is that of git."""
        self._store = store
        self._environment = environment
        self._folders = folders

    def of(self, folder: Path) -> WorkingTree:
        """The tree of a folder that may be worked in. Raises CheckpointRefused."""
        try:
            self._folders().check(folder)
            tree = self._opened(folder)
        except InvalidFolder as error:
            raise CheckpointRefused(str(error)) from error
        if not self._folders().allow(tree.top):
            raise CheckpointRefused(
                f"The repository of this folder is “{tree.top}”, outside the folders that may be "
                "worked in (OPCODE_PROJECT_ROOTS)."
            )
        return tree

    def top_of(self, top: str) -> WorkingTree:
        """The tree of a checkpoint, by its top. Raises CheckpointRefused."""
        tree = self.of(Path(top))
        if str(tree.top) != top:
            raise CheckpointRefused(f"“{top}” is part of another repository now.")
        return tree

    def has_repository(self, folder: Path) -> bool:
        """Whether a folder seems to be in a git repository; looks at names only."""
        try:
            return any((each / ".git").exists() for each in (folder, *folder.parents))
        except OSError:
            return False

    def likely_top(self, folder: Path) -> Path:
        """The top of the repository that a folder seems to be in, or the folder."""
        folder = folder.resolve()
        places = (folder, *folder.parents)
        return next((each for each in places if (each / ".git").exists()), folder)

    def is_in(self, folder: Path, top: Path) -> bool:
        """Whether a folder belongs to a tree, and not to another one within it."""
        own = self.likely_top(folder)
        return own == top or (not (top / ".git").exists() and own.is_relative_to(top))

    def is_quick_at(self, top: Path) -> bool:
        """The same as `is_quick`, for the top of a repository."""
        return self._is_quick(private_folder(self._store, top, has_repository=True))

    def known(self) -> Iterator[Path]:
        """The private folders of all trees that have one."""
        yield from (each.parent for each in self._store.glob("*/top"))

    def top_in(self, private: Path) -> str:
        """The tree that a private folder is of."""
        return os.fsdecode((private / "top").read_bytes())

    def note_time(self, tree: WorkingTree, seconds: float) -> None:
        """Record how long a snapshot of a tree took."""
        path = tree.private / "times.json"
        known = _TIMES.read(path)
        # the first one reads all files, so it does not count
        last = [*(known or []), seconds][-LAST:] if known is not None else []
        _TIMES.write(path, {"last": last}, durable=False)

    def is_quick(self, tree: WorkingTree) -> bool:
        """Whether a snapshot takes so little time that each prompt may have one.

        The quickest of the last ones counts: the others may have met a busy computer. After a day
        it is tried again.
        """
        return self._is_quick(tree.private)

    def _is_quick(self, private: Path) -> bool:
        path = private / "times.json"
        known = _TIMES.read(path)
        if not known or min(known) <= QUICK_SECONDS:
            return True
        try:
            return time.time() - path.stat().st_mtime > AGAIN_SECONDS
        except OSError:
            return True

    def _opened(self, folder: Path) -> WorkingTree:
        try:
            atomic_files.make_folder(self._store)
            return WorkingTree.of(folder, self._store, self._environment)
        except RepositoryRefused as error:
            raise CheckpointRefused(f"No checkpoint of this repository is possible: {error}") from (
                error
            )
        except GitFailed as error:
            raise CheckpointRefused(f"git does not answer: {error}") from error
        except SnapshotFailed as error:
            raise CheckpointRefused(str(error)) from error
        except OSError as error:
            raise CheckpointRefused(f"The folder cannot be read: {error.strerror}.") from error
