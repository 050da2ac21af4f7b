"""Sessions that were deleted: kept for some days, so that deleting can be undone.

Each is a folder with a record of what was where: Claude's history file, what Claude keeps beside
it, the folders of our runs, what was attached to prompts, and what was typed and not sent.
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
    """What is to be restored is not there, or its place is taken."""


@dataclass(frozen=True, slots=True)
class DeletedSession:
    """What was deleted, and where it belongs; `at` is a Unix time."""

    id: str
    session_id: str
    project_id: str
    title: str
    at: float
    places: dict[str, str]
    """The places that things were taken from, by their names in the trash."""


_FORM = JsonFileSchema(1, lambda found: DeletedSession(**found))


class Trash:
    def __init__(self, state: StateDir, supervisor: Supervisor) -> None:
        self._state = state
        self._folder = state.folder("trash")
        self._supervisor = supervisor

    def put(
        self, session_id: str, project_id: str, title: str, history: Path | None
    ) -> DeletedSession:
        """Move all that there is of a session into the trash. Raises StillRunning, OSError."""
        with raise_disk_full():
            atomic_files.make_folder(self._folder)
            with file_locks.held(self._folder.with_name(f"{self._folder.name}.lock")):
                self.purge()
                return self._put(session_id, project_id, title, history)

    def _put(
        self, session_id: str, project_id: str, title: str, history: Path | None
    ) -> DeletedSession:
        self._supervisor.check_over(session_id)
        things = [run.folder.path for run in self._supervisor.of_session(session_id)]
        things += [
            path for folder, path in self._state.of_session(session_id).items() if folder.in_trash
        ]
        if history is not None:
            things += [history, history.with_suffix("")]
        there = (path for path in things if _is_there(path))
        places = {f"{number}-{path.name}": str(path) for number, path in enumerate(there)}
        deleted = DeletedSession(
            uuid.uuid4().hex, session_id, project_id, title, time.time(), places
        )
        folder = self._folder / deleted.id
        folder.mkdir(mode=0o700)
        # first the way back, then the things: a crash in between loses nothing
        try:
            _FORM.write(folder / _RECORD, asdict(deleted))
            self._supervisor.forget(session_id)  # unless one has begun meanwhile
        except (OSError, StillRunning):
            shutil.rmtree(folder)
            raise
        for name, place in places.items():
            shutil.move(place, folder / name)
        return deleted

    def get(self, trash_id: str) -> DeletedSession:
        """Raises NotInTrash."""
        known = TRASH_ID.fullmatch(trash_id)
        found = _FORM.read(self._folder / trash_id / _RECORD) if known else None
        if found is None:
            raise NotInTrash("This session is not in the trash any more.")
        return found

    def restore(self, trash_id: str) -> DeletedSession:
        """Put everything back where it was. Raises NotInTrash, OSError."""
        deleted = self.get(trash_id)
        folder = self._folder / trash_id
        there = {name: Path(place) for name, place in deleted.places.items()}
        if any(_is_there(folder / name) and _is_there(place) for name, place in there.items()):
            raise NotInTrash("There is a session in its place again, so it cannot be restored.")
        for name, place in there.items():
            if _is_there(folder / name):
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.move(folder / name, place)
        shutil.rmtree(folder)
        self._supervisor.adopt()
        return deleted

    def purge(self) -> None:
        """Delete for good what has been here for long."""
        if not self._folder.is_dir():
            return
        for folder in os.scandir(self._folder):
            if TRASH_ID.fullmatch(folder.name) and folder.is_dir(follow_symlinks=False):
                try:
                    if time.time() - self.get(folder.name).at > KEPT_SECONDS:
                        shutil.rmtree(folder.path)
                except (NotInTrash, OSError) as error:
                    log.warning("%s cannot be cleared away: %s", folder.path, error)


def _is_there(path: Path) -> bool:
    """Whether there is such an entry: also a link, which leads nowhere from within the trash."""
    return os.path.lexists(path)
