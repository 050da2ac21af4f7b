"""The bus: emit an event once a machine, and deliver it to the handlers that have subscribed.

All workers read the journal. A handler is called in the worker that has emitted an event or, if it
has asked for that, in every worker. It is called at most once for each event: what a worker has not
handled when it dies is not handled by another one. A consumer that must miss nothing reads the
journal itself, from a position of its own.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gevent
from gevent.event import Event as Flag
from gevent.queue import Full, Queue

from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.file_watch import FolderWatcher
from opcode_htmx.runs.events import types
from opcode_htmx.runs.events.journal import Journal, JournalReader, JournalWriter
from opcode_htmx.runs.events.types import Entry, RunEvent

log = logging.getLogger(__name__)

E = TypeVar("E", bound=RunEvent)

QUEUED = 1000
"""Events that may wait for one handler before further ones are lost to it."""
LOOK_SECONDS = 5.0
"""How often is looked for lines that nobody has announced: the folder may be another one by now."""
CLOSE_SECONDS = 1.0
"""How long handlers may take to finish with what waits for them when the bus is closed."""


class EventBus:
    def __init__(self, journal: Journal) -> None:
        """Nothing is read, written or started before it is used."""
        self.journal = journal
        self.worker = secrets.token_hex(8)
        self._subscriptions: list[_Subscription] = []
        self._reader: JournalReader | None = None
        self._news = Flag()
        self._watcher: FolderWatcher | None = None
        self._follower: gevent.Greenlet[..., None] | None = None

    def subscribe(
        self, kind: type[E], handler: Callable[[E], None], *, every_worker: bool = False
    ) -> None:
        """Call `handler` with each event of a kind, RunEvent for all, one at a time.

        In a greenlet of its own, once the bus has started: it may wait, and holds up nobody. What
        it raises is logged.
        """
        subscription = _Subscription(kind, handler, every_worker=every_worker)
        self._subscriptions.append(subscription)
        if self._follower:
            subscription.start()

    def emit(self, event: RunEvent) -> None:
        """Emit an event that is of no run's files. Raises OSError, DiskFull among them."""
        with self.writing() as writer:
            writer.append([types.encode(event, self.worker)])

    @contextlib.contextmanager
    def writing(self) -> Iterator[JournalWriter]:
        """While this lasts, nobody else emits, in no worker. Raises OSError."""
        self._open()
        with self.journal.locked() as writer:
            yield writer
        self._news.set()

    # --- delivering -------------------------------------------------------------------------

    def start(self) -> None:
        """Deliver what is emitted from now on, and what this worker has emitted before."""
        if self._follower:
            return
        try:
            atomic_files.make_folder(self.journal.folder)
            self._open()
            self._watcher = FolderWatcher()
            self._watcher.watch(self.journal.folder, self._news.set)
        except OSError as error:  # a full disk keeps no server from starting
            log.warning("%s is not watched: %s", self.journal.folder, error)
        for subscription in self._subscriptions:
            subscription.start()
        self._follower = gevent.spawn(self._follow)
        self._news.set()

    def close(self) -> None:
        """Deliver nothing more; handlers have a moment to finish with what they were given."""
        follower, self._follower = self._follower, None
        if follower:
            follower.kill()
        if self._watcher:
            self._watcher.close()
            self._watcher = None
        stopping = [each.stop() for each in self._subscriptions]
        gevent.joinall([each for each in stopping if each], timeout=CLOSE_SECONDS)
        gevent.killall([each for each in stopping if each])

    def _open(self) -> JournalReader:
        """From here on events are delivered, as soon as the bus has started. Raises OSError."""
        if self._reader is None:
            self._reader = JournalReader(self.journal, self.journal.end())
        return self._reader

    def _follow(self) -> None:
        while True:
            self._news.wait(LOOK_SECONDS)
            self._news.clear()
            try:
                self._deliver_new()
            except Exception:  # the next look tries again
                log.exception("the journal of events cannot be read just now")

    def _deliver_new(self) -> None:
        reader = self._open()
        while lines := reader.read():
            for line in lines:
                try:
                    entry = types.decode(line)
                except ValueError as error:
                    log.warning("a line of the journal of events is left out: %s", error)
                else:
                    self._deliver(entry)

    def _deliver(self, entry: Entry | None) -> None:
        """`entry` is None for an event that this version does not know."""
        if entry:
            for each in self._subscriptions:
                if each.every_worker or entry.worker == self.worker:
                    each.offer(entry.event)


class _Subscription:
    """One handler, its queue, and the greenlet that calls it."""

    def __init__(
        self, kind: type[RunEvent], handler: Callable[[Any], None], *, every_worker: bool
    ) -> None:
        self.every_worker = every_worker
        self._kind = kind
        self._handler = handler
        self._name = getattr(handler, "__qualname__", repr(handler))
        self._queue: Queue[RunEvent | None] = Queue(QUEUED)
        self._lost = 0
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> gevent.Greenlet[..., None] | None:
        """End behind what waits; the greenlet that does so."""
        greenlet, self._greenlet = self._greenlet, None
        try:
            self._queue.put_nowait(None)
        except Full:
            if greenlet:
                greenlet.kill()
        return greenlet

    def offer(self, event: RunEvent) -> None:
        if not isinstance(event, self._kind):
            return
        try:
            self._queue.put_nowait(event)
        except Full:
            if not self._lost:
                log.error("the handler %s is too slow: events are lost to it", self._name)
            self._lost += 1
        else:
            if self._lost:
                log.error("the handler %s has lost %d events", self._name, self._lost)
                self._lost = 0

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._handler(event)
            except Exception:
                log.exception("the handler %s has failed at %s", self._name, event.id)
