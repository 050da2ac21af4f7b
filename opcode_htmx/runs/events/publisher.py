"""Emit the events of the runs that this worker owns, and those that a dead worker left.

An event is committed by its line in the journal; the progress of a run is stored in its folder.
Both are written under the journal's lock, the journal first. A worker that takes over reads the
events committed since from the journal, so no event is emitted twice or lost when a worker dies.
"""

from __future__ import annotations

import logging
from pathlib import Path

import gevent

from opcode_htmx.lib.concurrency.cooperative import yield_to_loop
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.events import progress, types
from opcode_htmx.runs.events.bus import EventBus
from opcode_htmx.runs.events.journal import Position
from opcode_htmx.runs.events.progress import Progress
from opcode_htmx.runs.events.run_reader import RunEventReader

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""How long changes are gathered, so that a flood of lines is read a few times a second."""
RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 60.0
"""The longest time between attempts, after a full disk for example; it doubles each time."""
TAKEOVER_SECONDS = 5.0
"""How long the owner of an ended run has before other workers emit the remaining events."""


class EventPublisher:
    """Follows runs, a greenlet for each."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._greenlets: dict[str, gevent.Greenlet[..., None]] = {}

    def follow(self, run: Run) -> None:
        """Emit the events of a run that this worker owns, or the remaining ones of an ended run.

        Does not block, as it may be called by the hub.
        """
        if run.id in self._greenlets:
            return
        if run.owner:
            delay = 0.0
        elif run.record.end and (run.folder.path / progress.FILE_NAME).exists():
            delay = TAKEOVER_SECONDS
        else:
            return
        greenlet = gevent.Greenlet(self._follow, run)
        greenlet.start_later(delay)
        self._greenlets[run.id] = greenlet

    def close(self) -> None:
        gevent.killall(list(self._greenlets.values()))

    def _follow(self, run: Run) -> None:
        publisher, retry = _RunPublisher(self._bus, run), RETRY_SECONDS
        try:
            while run.is_unused and run.live:  # nothing has happened before there is a prompt
                run.news.wait(run.news.version)
            publisher.done = run.is_unused
            while not publisher.done and (run.owner or run.record.end):
                seen = run.news.version
                if not publisher.try_to_emit():
                    gevent.sleep(retry)
                    retry = min(2 * retry, MAX_RETRY_SECONDS)
                elif publisher.has_more:
                    yield_to_loop()
                elif not publisher.done:
                    retry = RETRY_SECONDS
                    run.news.wait(seen)
                    gevent.sleep(GATHER_SECONDS)
        finally:
            del self._greenlets[run.id]


class _RunPublisher:
    """Emits the events of one run in this worker."""

    def __init__(self, bus: EventBus, run: Run) -> None:
        self.done = False
        """Whether all events are in the journal, or another worker emits them."""
        self._bus = bus
        self._run = run
        self._reader: RunEventReader | None = None

    @property
    def has_more(self) -> bool:
        """Whether lines that are written already are left for the next time."""
        return self._reader is not None and self._reader.has_more

    def try_to_emit(self) -> bool:
        """Emit the new events; return False if that failed and has to be retried."""
        try:
            self._emit()
        except OSError as error:  # such as a full disk
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
        over = over and not reader.has_more
        if not (events or over or reader.unsaved):
            return
        with self._bus.writing() as writer:
            if not self._is_current(reader):
                self._reader = None
                self._run.news.notify()  # to load again
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
                reader.skip_past()
        # events committed after the stored position are not counted in it; the last line may lack
        # its newline, if the disk was full or its writer was killed
        begin = Position.parse(reader.progress.journal)
        for line in self._bus.journal.lines_after(begin, last=True):
            if self._run.id.encode() in line:
                reader.committed.add(types.id_in(line))
        return reader

    def _is_current(self, reader: RunEventReader) -> bool:
        """Whether no other worker has emitted events of this run meanwhile."""
        folder = self._run.folder.path
        # without the folder, in the trash by now, only the progress in memory is left
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
            # a worker that takes over finds the committed events in the journal
            log.warning(
                "the progress of the events of run %s could not be stored: %s", self._run.id, error
            )


def _parsed(data: bytes, path: Path) -> Progress | None:
    try:
        return Progress.parse(data)
    except (ValueError, TypeError) as error:
        log.warning("%s cannot be read, and the events begin here: %s", path, error)
        return None
