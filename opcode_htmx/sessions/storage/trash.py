"""The trash: keep deleted sessions for some days, so that deleting can be undone.

Each is a folder with a record of the original paths of its contents: Claude's history file, the
folder that Claude keeps beside it, our run folders, attached files, and the draft.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.runs.supervisor import StillRunning, Supervisor

log = logging.getLogger(__name__)

TRASH_ID = re.compile(r"[0-9a-f]{32}")
KEPT_SECONDS = 7 * 86400.0
_RECORD = "trash.json"


class NotInTrash(Exception):
    """The session to restore is not in the trash, or its place is taken."""


@dataclass(frozen=True, slots=True)
class DeletedSession:
    """A deleted session, and the original paths of its contents; `at` is a Unix time."""

    id: str
    session_id: str
    project_id: str
    title: str
    at: float
    places: dict[str, str]
    """The original paths, by the names in the trash."""


_SCHEMA = JsonFileSchema(1, lambda found: DeletedSession(**found))


class Trash:
    def __init__(self, state: StateDir, supervisor: Supervisor) -> None:
        self._state = state
        self._folder = state.folder("trash")
        self._supervisor = supervisor

    def put(
        self, session_id: str, project_id: str, title: str, history: Path | None
    ) -> DeletedSession:
        """Move all data of a session into the trash. Raises StillRunning, OSError."""
        with raise_disk_full():
            atomic_files.make_folder(self._folder)
            with file_locks.held(self._folder.with_name(f"{self._folder.name}.lock")):
                self.purge()
                return self._put(session_id, project_id, title, history)

    def _put(
        self, session_id: str, project_id: str, title: str, history: Path | None
    ) -> DeletedSession:
        self._supervisor.check_over(session_id)
        paths = [run.folder.path for run in self._supervisor.of_session(session_id)]
        paths += [
            path for folder, path in self._state.of_session(session_id).items() if folder.in_trash
        ]
        if history is not None:
            paths += [history, history.with_suffix("")]
        existing = (path for path in paths if _exists(path))
        places = {f"{number}-{path.name}": str(path) for number, path in enumerate(existing)}
        deleted = DeletedSession(
            uuid.uuid4().hex, session_id, project_id, title, time.time(), places
        )
        folder = self._folder / deleted.id
        folder.mkdir(mode=0o700)
        # first the record, then the contents: a crash in between loses nothing
        try:
            _SCHEMA.write(folder / _RECORD, asdict(deleted))
            self._supervisor.forget(session_id)  # raises if a run has begun meanwhile
        except (OSError, StillRunning):
            shutil.rmtree(folder)
            raise
        for name, place in places.items():
            shutil.move(place, folder / name)
        return deleted

    def get(self, trash_id: str) -> DeletedSession:
        """The record of a deleted session. Raises NotInTrash."""
        known = TRASH_ID.fullmatch(trash_id)
        found = _SCHEMA.read(self._folder / trash_id / _RECORD) if known else None
        if found is None:
            raise NotInTrash("This session is not in the trash any more.")
        return found

    def restore(self, trash_id: str) -> DeletedSession:
        """Move everything back to its original path. Raises NotInTrash, OSError."""
        deleted = self.get(trash_id)
        folder = self._folder / trash_id
        places = {name: Path(place) for name, place in deleted.places.items()}
        if any(_exists(folder / name) and _exists(place) for name, place in places.items()):
            raise NotInTrash("There is a session in its place again, so it cannot be restored.")
        for name, place in places.items():
            if _exists(folder / name):
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.move(folder / name, place)
        shutil.rmtree(folder)
        self._supervisor.adopt()
        return deleted

    def purge(self) -> None:
        """Delete sessions that have been in the trash for KEPT_SECONDS."""
        if not self._folder.is_dir():
            return
        for folder in os.scandir(self._folder):
            if TRASH_ID.fullmatch(folder.name) and folder.is_dir(follow_symlinks=False):
                try:
                    if time.time() - self.get(folder.name).at > KEPT_SECONDS:
                        shutil.rmtree(folder.path)
                except (NotInTrash, OSError) as error:
                    log.warning("could not delete %s: %s", folder.path, error)


def _exists(path: Path) -> bool:
    """Whether an entry exists, including links, which may be broken from within the trash."""
    return os.path.lexists(path)
