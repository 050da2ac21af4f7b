"""End the runs without a viewer, where a person has chosen so.

A phone that locks, reloads or changes its network is back within seconds, so a run is ended only
when its last viewer has been gone for the whole grace period. For a run that never had a viewer it
counts from the run's start; for one of an earlier server, from its adoption by this one.

A viewer holds a lock on a file of the session, so that the worker that owns the run knows of
viewers in the other workers; the file's time is another one whenever a viewer was there. How long
ago that is, each worker measures itself: the clock of the computer may be set.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import gevent

from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import OPEN_TURN, Phase
from opcode_htmx.runs.model.record import Outcome

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.5
QUIET_SECONDS = 1.0
"""The same while all runs go on without a viewer."""


def in_words(seconds: float) -> str:
    """A length of time: `60 seconds`, `5 minutes`."""
    amount, unit = (seconds / 60, "minute") if seconds >= 120 else (seconds, "second")
    return f"{amount:g} {unit}" if amount == 1 else f"{amount:g} {unit}s"


class ViewerPresence:
    """Counts the viewers of each session, and ends the runs that have none left."""

    def __init__(
        self,
        folder: Path,
        owned: Callable[[], Sequence[Run]],
        keeps_running: Callable[[str], bool],
        version: Callable[[], object],
        grace: float,
    ) -> None:
        """`folder` holds a file for each session; `owned` are the runs that this worker ends.

        `keeps_running` returns for a session id whether its run goes on without a viewer; as long
        as `version` returns the same, and not None, so does it.
        """
        self._folder = folder
        self._owned = owned
        self._keeps_running = keeps_running
        self._grace = grace
        self._viewers: Counter[str] = Counter()
        self._locks: dict[str, int] = {}
        self._absent: dict[str, tuple[float, float]] = {}
        """By run, the time of its session's file, and since when that is so (monotonic)."""
        self._version = version
        self._kept: tuple[object, set[str]] = (None, set())
        """A version, and the runs that go on without a viewer as long as it is the same."""
        self._ends_some = True

    @contextlib.contextmanager
    def viewing(self, session_id: str) -> Iterator[None]:
        """Count a viewer of the session while this lasts."""
        self._viewers[session_id] += 1
        if session_id not in self._locks:
            self._lock(session_id)
        try:
            yield
        finally:
            self._viewers[session_id] -= 1
            if not self._viewers[session_id]:
                del self._viewers[session_id]
                self.seen(session_id)
                self._unlock(session_id)

    def viewed_here(self) -> Collection[str]:
        """The sessions that have a viewer in this worker."""
        return self._viewers.keys()

    def is_viewed(self, session_id: str) -> bool:
        """Whether the session has a viewer, in any worker."""
        if self._viewers[session_id]:
            return True
        with contextlib.suppress(OSError):  # without a file there is no viewer
            lock = os.open(f"{self._folder}/{session_id}", os.O_RDWR)
            try:
                return not file_locks.attempt(lock)
            finally:
                os.close(lock)
        return False

    def seen(self, session_id: str) -> None:
        """Record that a page without a socket was viewed just now."""
        try:
            os.close(self._open(session_id))
            os.utime(self._folder / session_id)
        except OSError:  # then a run may be ended whose viewer has just gone
            log.exception("could not record a viewer of session %s", session_id)

    def last_seen(self, session_id: str) -> float:
        """When the session was last seen to have a viewer, as a Unix time; 0 if never."""
        try:
            return (self._folder / session_id).stat().st_mtime
        except OSError:
            return 0.0

    def close(self) -> None:
        for session_id in list(self._locks):
            self._unlock(session_id)

    def _lock(self, session_id: str) -> None:
        try:
            lock = self._open(session_id)
        except OSError:
            log.exception("could not lock the file of the viewers of session %s", session_id)
            return
        # `is_viewed` of another worker holds it for a moment
        while not file_locks.attempt(lock, shared=True):
            gevent.sleep(file_locks.POLL_SECONDS)
        self._locks[session_id] = lock

    def _unlock(self, session_id: str) -> None:
        if (lock := self._locks.pop(session_id, None)) is not None:
            os.close(lock)

    def _open(self, session_id: str) -> int:
        try:
            return os.open(self._folder / session_id, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            atomic_files.make_folder(self._folder)
            return os.open(self._folder / session_id, os.O_RDWR | os.O_CREAT, 0o600)

    def check(self) -> None:
        """End the runs that have had no viewer for too long. Called every `seconds`."""
        version, runs = self._version(), self._owned()
        if version is None or version != self._kept[0] or len(self._kept[1]) > 2 * len(runs):
            self._kept = version, set()
        others = [run for run in runs if run.id not in self._kept[1] and not self._goes_on(run)]
        self._absent = {run.id: self._absent[run.id] for run in others if run.id in self._absent}
        for run in others:
            if run.phase is not Phase.STOPPING and self._is_abandoned(run):
                self._end(run)
        self._ends_some = bool(others)

    def seconds(self) -> float:
        """How often to check."""
        return CHECK_SECONDS if self._ends_some else QUIET_SECONDS

    def _goes_on(self, run: Run) -> bool:
        keeps_running = self._keeps_running(run.record.session_id)
        if keeps_running:
            self._kept[1].add(run.id)
        return keeps_running

    def _is_abandoned(self, run: Run) -> bool:
        session_id = run.record.session_id
        if self.is_viewed(session_id):
            # a worker that is killed cannot record that its viewers have gone
            self.seen(session_id)
            return False
        now, seen = time.monotonic(), self.last_seen(session_id)
        known, since = self._absent.get(run.id, (None, now))
        if known != seen:
            since = now
        self._absent[run.id] = seen, since
        return now - since >= self._grace

    def _end(self, run: Run) -> None:
        working = run.phase in OPEN_TURN
        cause = f"Ended, because nobody was looking for {in_words(self._grace)}."
        with contextlib.suppress(RunNotLive):  # it has ended by itself
            run.stop(Outcome.CANCELLED if working else Outcome.COMPLETED, cause, by=SYSTEM)
