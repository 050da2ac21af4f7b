"""The trash: keep deleted sessions for some days, so that deleting can be undone.

Each is a folder with a record of the original paths of its contents: Claude's history file, the
folder that Claude keeps beside it, our run folders, attached files, and the draft. Sessions that
were deleted together are restored together: a file names them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opcode_htmx.lib.coerce import LATEST
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_fields import number
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.supervisor import StillRunning, Supervisor

log = logging.getLogger(__name__)

TRASH_ID = late_pattern(r"[0-9a-f]{32}")
KEPT_SECONDS = 7 * 86400.0
_RECORD = "trash.json"
_BATCH = late_pattern(r"batch-([0-9a-f]{32})\.json")


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


@dataclass(frozen=True, slots=True)
class DeletedBatch:
    """Sessions that were deleted together; `sessions` are their ids in the trash."""

    id: str
    at: float
    sessions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deletable:
    """A session to be deleted; `history` is Claude's file, None if there is none."""

    session_id: str
    project_id: str
    title: str
    history: Path | None


def _parsed(found: dict[str, Any]) -> DeletedSession:
    return DeletedSession(
        id=str(found["id"]),
        session_id=str(found["session_id"]),
        project_id=str(found["project_id"]),
        title=str(found["title"]),
        at=number(found["at"], LATEST),
        places={str(name): str(path) for name, path in found["places"].items()},
    )


_SCHEMA = JsonFileSchema(1, _parsed)
_BATCH_SCHEMA = JsonFileSchema(
    1,
    lambda found: DeletedBatch(
        str(found["id"]), number(found["at"], LATEST), tuple(found["sessions"])
    ),
)


class Trash:
    def __init__(
        self,
        state: StateDir,
        supervisor: Supervisor,
        on_gone: Callable[[list[str]], None] = lambda session_ids: None,
    ) -> None:
        """`on_gone` is called with the ids of sessions of which nothing is left."""
        self._state = state
        self._folder = state.folder("trash")
        self._supervisor = supervisor
        self._on_gone = on_gone

    def put(
        self, session_id: str, project_id: str, title: str, history: Path | None
    ) -> DeletedSession:
        """Move all data of a session into the trash. Raises StillRunning, OSError."""
        with raise_disk_full():
            atomic_files.make_folder(self._folder)
            with self._locked():
                self.purge()
                return self._put(session_id, project_id, title, history)

    def put_all(self, sessions: Iterable[Deletable]) -> DeletedBatch:
        """Move sessions into the trash together, but for those that run. Raises OSError.

        If it fails in the middle, those that were moved are in the trash one by one.
        """
        moved: list[str] = []
        with raise_disk_full():
            atomic_files.make_folder(self._folder)
            with self._locked():
                self.purge()
                for each in sessions:
                    if each.history is not None and not _exists(each.history):
                        continue  # somebody has deleted it meanwhile
                    with contextlib.suppress(StillRunning):
                        deleted = self._put(
                            each.session_id, each.project_id, each.title, each.history
                        )
                        moved.append(deleted.id)
                batch = DeletedBatch(uuid.uuid4().hex, time.time(), tuple(moved))
                if moved:
                    _BATCH_SCHEMA.write(self._batch_path(batch.id), asdict(batch))
        return batch

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return file_locks.held(self._folder.with_name(f"{self._folder.name}.lock"))

    def _batch_path(self, batch_id: str) -> Path:
        return self._folder / f"batch-{batch_id}.json"

    def _put(
        self, session_id: str, project_id: str, title: str, history: Path | None
    ) -> DeletedSession:
        self._supervisor.check_over(session_id)
        paths = [run.folder.path for run in self._supervisor.of_session(session_id)]
        paths += [
            path for folder, path in self._state.of_session(session_id).items() if folder.in_trash
        ]
        if history is not None:
            paths += [history, history.with_suffix(""), _kept_files(history)]
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

    def get_batch(self, batch_id: str) -> DeletedBatch:
        """Sessions that were deleted together. Raises NotInTrash."""
        known = TRASH_ID.fullmatch(batch_id)
        found = _BATCH_SCHEMA.read(self._batch_path(batch_id)) if known else None
        if found is None:
            raise NotInTrash("These sessions are not in the trash any more.")
        return found

    def find(self, trash_id: str) -> DeletedSession | DeletedBatch | None:
        """What was deleted under this id, one session or several; None if it is gone."""
        for get in (self.get, self.get_batch):
            with contextlib.suppress(NotInTrash):
                return get(trash_id)
        return None

    def all(self) -> list[DeletedSession]:
        """The sessions in the trash, the last deleted first. Reads a small file for each."""
        found, slicer = list[DeletedSession](), TimeSlicer()
        for folder in self._folders():
            slicer.step()
            with contextlib.suppress(NotInTrash):
                found.append(self.get(folder.name))
        return sorted(found, key=lambda each: -each.at)

    def restore(self, trash_id: str) -> DeletedSession:
        """Move everything back to its original path. Raises NotInTrash, OSError."""
        with self._locked():
            deleted = self._restore(trash_id)
        self._supervisor.adopt()
        return deleted

    def restore_all(self, batch_id: str) -> list[DeletedSession]:
        """Restore the sessions of a batch, but for those that cannot be any more.

        Raises NotInTrash if none can, and OSError.
        """
        restored, slicer = list[DeletedSession](), TimeSlicer()
        with self._locked():
            for trash_id in self.get_batch(batch_id).sessions:
                slicer.step()
                with contextlib.suppress(NotInTrash):
                    restored.append(self._restore(trash_id))
        if not restored:
            raise NotInTrash("None of these sessions can be restored any more.")
        self._batch_path(batch_id).unlink(missing_ok=True)
        self._supervisor.adopt()
        return restored

    def _restore(self, trash_id: str) -> DeletedSession:
        deleted = self.get(trash_id)
        folder = self._folder / trash_id
        places = {name: Path(place) for name, place in deleted.places.items()}
        if {each.name for each in folder.iterdir()} - places.keys() - {_RECORD}:
            raise NotInTrash(f"Its record is damaged. Its files are in {folder}.")
        if any(_exists(folder / name) and _exists(place) for name, place in places.items()):
            raise NotInTrash("There is a session in its place again, so it cannot be restored.")
        for name, place in places.items():
            if _exists(folder / name):
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.move(folder / name, place)
        shutil.rmtree(folder)
        return deleted

    def purge(self) -> None:
        """Delete sessions that have been in the trash for KEPT_SECONDS."""
        self._delete(lambda at: time.time() - at > KEPT_SECONDS)

    def empty(self) -> int:
        """Delete everything that is in the trash now, for good; return the number of sessions."""
        if not self._folder.is_dir():
            return 0
        asked = time.time()
        with self._locked():
            # not what was deleted while this waited; a time to come is that of a wrong clock
            return self._delete(lambda at: not asked < at <= time.time())

    def _delete(self, is_due: Callable[[float], bool]) -> int:
        gone, slicer = list[DeletedSession](), TimeSlicer()
        for folder in self._folders():
            slicer.step()
            try:
                deleted = self.get(folder.name)
                if is_due(deleted.at):
                    run_in_thread(shutil.rmtree, folder.path)
                    gone.append(deleted)
            except (NotInTrash, OSError) as error:
                log.warning("could not delete %s: %s", folder.path, error)
        for path in self._folder.glob("batch-*.json") if self._folder.is_dir() else ():
            batch = _BATCH_SCHEMA.read(path) if _BATCH.fullmatch(path.name) else None
            if batch and is_due(batch.at):
                path.unlink(missing_ok=True)
        # one that was restored from a backup is no deleted session
        lost = [each for each in gone if not any(map(os.path.lexists, each.places.values()))]
        if lost:
            self._on_gone([each.session_id for each in lost])
        return len(gone)

    def _folders(self) -> list[os.DirEntry[str]]:
        """The deleted sessions."""
        try:
            with os.scandir(self._folder) as entries:
                return [
                    each
                    for each in entries
                    if TRASH_ID.fullmatch(each.name) and each.is_dir(follow_symlinks=False)
                ]
        except FileNotFoundError:
            return []


def _kept_files(history: Path) -> Path:
    """Where Claude keeps what its tools have overwritten in a session."""
    return history.parents[2] / "file-history" / history.stem


def _exists(path: Path) -> bool:
    """Whether an entry exists, including links, which may be broken from within the trash."""
    return os.path.lexists(path)
