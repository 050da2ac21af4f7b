"""The files of schedules, which all workers share: what a person has set, and what has come of it.

They are two files, so that an edit and a decision at the same moment do not undo each other.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.sessions.schedules.model import SCHEDULE_ID, Occurrence, Progress, Schedule, State

VERSION = 1
MOST = 200
"""Schedules."""
CLOCK_TICK_NS = 20_000_000
FOLDER = StateFolder(
    "schedules",
    holds="the schedules, and which worker starts them",
    keep="until it is deleted; one that was for once, 30 days after that",
    version=VERSION,
)
PROGRESS = StateFolder(
    "schedule_runs",
    holds="what has come of the last due times of each schedule",
    keep="as long as the schedule",
    version=VERSION,
)


class NoSuchSchedule(Exception):
    """There is no schedule with an id."""


class TooManySchedules(Exception):
    """There is no room for another schedule; the text says so."""


Bounded = tuple[Schedule, Occurrence]


class ScheduleStore:
    """All schedules. Reading raises nothing; what is damaged is left out, and kept as a file."""

    def __init__(self, folder: Path, progress: Path) -> None:
        self.folder = folder
        self._progress = progress
        self._schedules = CachedJsonFiles(JsonFileSchema(VERSION, Schedule.parse), 2 * MOST)
        self._progresses = CachedJsonFiles(JsonFileSchema(VERSION, Progress.parse), 2 * MOST)
        self._listed: tuple[int | None, list[Schedule]] = (None, [])
        self._bounded: tuple[object, dict[str, Bounded]] = (None, {})

    @property
    def version(self) -> int | None:
        """Changes whenever a schedule was made, changed or deleted."""
        try:
            return os.stat(self.folder).st_mtime_ns  # noqa: PTH116 - asked very often
        except OSError:
            return None

    @property
    def version_with_progress(self) -> object:
        """The same, and whenever something was noted; None where something has just changed."""
        parts = atomic_files.version(self.folder), atomic_files.version(self._progress)
        return None if None in parts else parts

    def all(self) -> list[Schedule]:
        """Every schedule, the oldest first."""
        if (version := self.version) is None:
            return []
        if self._listed[0] != version:
            found = filter(None, map(self._read, self.folder.glob("*.json")))
            known = sorted(found, key=lambda each: (each.created_at, each.id))
            # a second change within a tick of the clock would leave the same time
            is_settled = time.time_ns() - version > CLOCK_TICK_NS
            self._listed = version if is_settled else None, known
        return list(self._listed[1])

    def get(self, schedule_id: str) -> Schedule:
        """Raises NoSuchSchedule."""
        path = self._path(schedule_id)
        found = self._read(path) if path else None
        if found is None:
            raise NoSuchSchedule("There is no such schedule.")
        return found

    def damaged(self) -> list[str]:
        """The names of the files that are no schedules: nothing of them is started or shown."""
        found = (path for path in self.folder.glob("*.json") if self._read(path) is None)
        return sorted(path.name for path in found if path.exists())

    def of_session(self, session_id: str) -> list[Schedule]:
        """Those that send to a session that exists."""
        return [each for each in self.all() if each.work.session_id == session_id]

    def progress(self, schedule_id: str) -> Progress:
        return self._progresses.read(self._progress / f"{schedule_id}.json") or Progress()

    def bounded(self) -> dict[str, Bounded]:
        """By process run, what has not ended of schedules with a budget. Called twice a second for
        each live run.
        """
        try:
            version = self.version, self._progress.stat().st_mtime_ns
        except OSError:
            return {}
        if self._bounded[0] != version:
            found = {
                each.run_id: (schedule, each)
                for schedule in self.all()
                if schedule.budget_usd
                for each in self.progress(schedule.id).open
                if each.run_id
            }
            is_settled = time.time_ns() - max(version[0] or 0, version[1]) > CLOCK_TICK_NS
            self._bounded = version if is_settled else None, found
        return self._bounded[1]

    def add(self, schedule: Schedule, handled: float) -> bool:
        """Keep a new schedule, which is due after `handled`; False if its id is known.

        Raises OSError, DiskFull, TooManySchedules.
        """
        with self._locked():
            path = self._file(schedule.id)
            if path.exists():
                return False
            if len(self.all()) >= MOST:
                raise TooManySchedules(f"There are {MOST} schedules already. Delete one first.")
            self._write_progress(schedule.id, Progress(handled))
            self._schedules.write(path, schedule.as_json())
        return True

    def change(
        self, schedule_id: str, change: Callable[[Schedule], Schedule], handled: float | None = None
    ) -> Schedule:
        """Change a schedule; `handled`: from then on it is due anew.

        Raises NoSuchSchedule, OSError, DiskFull.
        """
        with self._locked():
            changed = change(self.get(schedule_id))
            if handled is not None:
                progress = self.progress(schedule_id)
                self._write_progress(schedule_id, progress.with_(handled=handled))
            self._schedules.write(self._file(schedule_id), changed.as_json())
        return changed

    def delete(self, schedule_id: str) -> Progress:
        """Remove a schedule and what has come of it, which is returned.

        Raises NoSuchSchedule, OSError.
        """
        with self._locked():
            self.get(schedule_id)
            progress = self.progress(schedule_id)
            self._file(schedule_id).unlink(missing_ok=True)
            (self._progress / f"{schedule_id}.json").unlink(missing_ok=True)
        return progress

    def note(
        self,
        schedule_id: str,
        *occurrences: Occurrence,
        handled: float | None = None,
        unchanged: Schedule | None = None,
    ) -> bool:
        """Note what has come of due times, at once for all workers; whether it was noted.

        Nothing is noted of a schedule that was deleted, or that is not `unchanged` any more: what
        was decided does not hold for it. Raises OSError, DiskFull.
        """
        with self._locked():
            try:
                current = self.get(schedule_id)
            except NoSuchSchedule:
                return False
            if unchanged is not None and current != unchanged:
                return False
            progress = self.progress(schedule_id).with_(*occurrences, handled=handled)
            self._write_progress(schedule_id, progress)
        return True

    def note_by_hand(
        self, schedule_id: str, start: Callable[[Schedule], Occurrence]
    ) -> tuple[Occurrence, bool]:
        """Note a start beside the due times, and whether it is new: one that waits is enough.

        Raises NoSuchSchedule, OSError, DiskFull.
        """
        with self._locked():
            schedule, progress = self.get(schedule_id), self.progress(schedule_id)
            for each in progress.open:
                if each.by_hand and each.state is State.STARTING:
                    return each, False
            noted = start(schedule)
            self._write_progress(schedule_id, progress.with_(noted))
        return noted, True

    def update(
        self, schedule_id: str, prompt_id: str, change: Callable[[Occurrence], Occurrence]
    ) -> None:
        """Change what is noted of one due time, if it is still there. Raises OSError, DiskFull."""
        with self._locked():
            progress = self.progress(schedule_id)
            for each in progress.occurrences:
                if each.prompt_id == prompt_id and (changed := change(each)) != each:
                    self._write_progress(schedule_id, progress.with_(changed))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with raise_disk_full():
            atomic_files.make_folder(self.folder)
            atomic_files.make_folder(self._progress)
            with file_locks.held(self.folder / "lock"):
                yield

    def _read(self, path: Path) -> Schedule | None:
        found = self._schedules.read(path)
        return found if found and found.id == path.stem else None

    def _path(self, schedule_id: str) -> Path | None:
        return self._file(schedule_id) if SCHEDULE_ID.fullmatch(schedule_id) else None

    def _file(self, schedule_id: str) -> Path:
        return self.folder / f"{schedule_id}.json"

    def _write_progress(self, schedule_id: str, progress: Progress) -> None:
        self._progresses.write(self._progress / f"{schedule_id}.json", progress.as_json())
