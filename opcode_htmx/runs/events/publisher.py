"""Emit the events of the runs that this worker owns, and those that a dead worker has left.

An event is committed by its line in the journal; how far a run has come stands in its folder. Both
are written under the journal's lock, the journal first. Whoever takes over looks in the journal for
what was committed since, so nothing is emitted twice and nothing is lost, however a worker dies.
"""

from __future__ import annotations

import logging
from pathlib import Path

import gevent

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.events import progress, types
from opcode_htmx.runs.events.bus import EventBus
from opcode_htmx.runs.events.journal import Position
from opcode_htmx.runs.events.progress import Progress
from opcode_htmx.runs.events.run_reader import RunEventReader

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""For how long changes are gathered: a flood of lines is looked through a few times a second."""
RETRY_SECONDS = 2.0
RETRY_AT_MOST = 60.0
"""From one attempt to the next where the disk is full, say; twice as long each time."""
LEFT_SECONDS = 5.0
"""How long the owner of a run has after its end before others emit what is left."""


class EventPublisher:
    """Follows runs, a greenlet for each."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._greenlets: dict[str, gevent.Greenlet[..., None]] = {}

    def follow(self, run: Run) -> None:
        """Emit the events of a run that this worker owns; of one that has ended, what is left.

        Quick, as it may be called by the hub.
        """
        if run.id in self._greenlets:
            return
        if run.owner:
            delay = 0.0
        elif run.record.end and (run.folder.path / progress.FILE_NAME).exists():
            delay = LEFT_SECONDS
        else:
            return
        greenlet = gevent.Greenlet(self._follow, run)
        greenlet.start_later(delay)
        self._greenlets[run.id] = greenlet

    def close(self) -> None:
        gevent.killall(list(self._greenlets.values()))

    def _follow(self, run: Run) -> None:
        events, retry = _EventsOfRun(self._bus, run), RETRY_SECONDS
        try:
            while not events.done and (run.owner or run.record.end):
                seen = run.changed.version
                if not events.try_to_emit():
                    gevent.sleep(retry)
                    retry = min(2 * retry, RETRY_AT_MOST)
                elif not events.done:
                    retry = RETRY_SECONDS
                    run.changed.wait(seen)
                    gevent.sleep(GATHER_SECONDS)
        finally:
            del self._greenlets[run.id]


class _EventsOfRun:
    """What one worker emits of one run."""

    def __init__(self, bus: EventBus, run: Run) -> None:
        self.done = False
        """Whether all there will ever be is in the journal, or somebody else sees to it."""
        self._bus = bus
        self._run = run
        self._reader: RunEventReader | None = None

    def try_to_emit(self) -> bool:
        """Emit what is new; False if that has failed and is to be tried again later."""
        try:
            self._emit()
        except OSError as error:  # the disk is full, say
            log.warning("the events of run %s are emitted later: %s", self._run.id, error)
        except Exception:
            log.exception("the events of run %s could not be emitted", self._run.id)
        else:
            return True
        self._reader = None  # some of the lines may have been written
        return False

    def _emit(self) -> None:
        """Raises OSError."""
        reader = self._reader = self._reader or self._load()
        if reader is None:
            return
        over = self._run.record.end is not None
        events = [each for each in reader.read(over) if each.id not in reader.committed]
        if not (events or over or reader.unsaved):
            return
        with self._bus.writing() as writer:
            if not self._is_current(reader):
                self._reader = None
                self._run.changed.notify()  # to begin anew
                return
            if events:
                lines = [types.encode(event, self._bus.worker) for event in events]
                reader.progress.journal = str(writer.append(lines))
            self._save(reader, over)

    def _load(self) -> RunEventReader | None:
        """Raises OSError."""
        folder = self._run.folder.path
        with self._bus.writing():
            saved = progress.load(folder)
            if saved is None and (self._run.record.end or not folder.exists()):
                self.done = True
                return None
            found = _parsed(saved, folder / progress.FILE_NAME) if saved else None
            reader = RunEventReader(self._run, saved or b"", found or Progress())
            if found is None:
                reader.begin_here()
        # what was committed behind the place that is noted was not counted any more
        for line in self._bus.journal.lines_after(Position.parse(reader.progress.journal)):
            if self._run.id.encode() in line:
                reader.committed.add(types.id_in(line))
        return reader

    def _is_current(self, reader: RunEventReader) -> bool:
        """Whether nobody has emitted anything of this run meanwhile."""
        folder = self._run.folder.path
        # in the trash by now: what is in memory is all that is known
        return (progress.load(folder) or b"") == reader.saved or not folder.exists()

    def _save(self, reader: RunEventReader, over: bool) -> None:
        folder = self._run.folder.path
        self.done = over
        try:
            if over:
                progress.remove(folder)
            elif folder.exists():
                data = reader.progress.dump()
                progress.store(folder, data)
                reader.saved, reader.unsaved = data, False
        except OSError as error:
            # whoever takes over finds in the journal what has been committed
            log.warning("how far run %s has come could not be kept: %s", self._run.id, error)


def _parsed(data: bytes, path: Path) -> Progress | None:
    try:
        return Progress.parse(data)
    except (ValueError, TypeError) as error:
        log.warning("%s cannot be read, and the events begin here: %s", path, error)
        return None
