"""The records of checkpoints, one small file a session, and the choices for projects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.sessions.checkpoints.model import Record, Strategy

VERSION = 1
FOLDER = StateFolder(
    "checkpoints",
    "the checkpoints of the files of each session",
    "as long as the session",
    VERSION,
)
TREES = StateFolder(
    "checkpoint_trees",
    "for each working tree with checkpoints, an index of it; the objects of folders without git",
    "as long as there is a checkpoint of it",
)
PROJECTS = StateFolder(
    "checkpoint_projects.json", "when checkpoints are taken in a project", version=VERSION
)


class CheckpointStore:
    """Reads and changes the records. All workers share them."""

    def __init__(self, folder: Path, projects: Path) -> None:
        self.folder = folder
        self._projects = projects
        self._records = JsonFileSchema(VERSION, Record.parse)
        self._choices = JsonFileSchema(VERSION, lambda content: dict(content["projects"]))

    def read(self, session_id: str) -> Record:
        """The record of a session; an empty one if there is none."""
        path = self._path(session_id)
        return (self._records.read(path) if path else None) or Record()

    def sessions(self) -> Iterator[str]:
        """The ids of the sessions that have a record."""
        for path in self.folder.glob("*.json"):
            if history.SESSION_ID.fullmatch(path.stem):
                yield path.stem

    def change(self, session_id: str, change: Callable[[Record], Record]) -> Record:
        """Replace a record by what `change` makes of it, under its lock.

        Raises OSError, DiskFull among them, and what `change` does.
        """
        path = self._path(session_id)
        if path is None:
            raise ValueError(f"{session_id!r} is no id of a session")
        with raise_disk_full():
            atomic_files.make_folder(self.folder)
            with self._locked():
                before = self.read(session_id)
                after = change(before)
                if after != before:
                    self._records.write(path, after.dump())
                return after

    def remove(self, session_id: str) -> None:
        """Remove a record."""
        if path := self._path(session_id):
            path.unlink(missing_ok=True)

    def strategy(self, top: str) -> Strategy | None:
        """What was chosen for the sessions of a working tree."""
        chosen = (self._choices.read(self._projects) or {}).get(top)
        return Strategy(chosen) if chosen in list(Strategy) else None

    def choose(self, top: str, strategy: Strategy | None) -> None:
        """Set it. Raises OSError."""
        with raise_disk_full():
            atomic_files.make_folder(self.folder)
            with self._locked():
                known = self._choices.read(self._projects) or {}
                known.pop(top, None)
                if strategy is not None:
                    known[top] = str(strategy)
                self._choices.write(self._projects, {"projects": known})

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with file_locks.held(self.folder.with_name(f"{self.folder.name}.lock")):
            yield

    def _path(self, session_id: str) -> Path | None:
        if not history.SESSION_ID.fullmatch(session_id):
            return None
        return self.folder / f"{session_id}.json"
