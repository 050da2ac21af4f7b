"""The bus: emit each event once per machine, and deliver it to the subscribed handlers.

All workers read the journal. A handler is called in the worker that emitted the event or, if it
subscribes with `every_worker`, in every worker. It is called at most once for each event: events
that a worker has not handled when it dies are not handled by another one. A consumer that must
miss nothing reads the journal itself, from a position of its own.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import gevent
from gevent.event import Event as Flag
from gevent.queue import Full, Queue

from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.file_watch import FolderWatcher
from opcode_htmx.lib.logs import context
from opcode_htmx.runs.events import types
from opcode_htmx.runs.events.journal import Journal, JournalReader, JournalWriter
from opcode_htmx.runs.events.types import Entry, RunEvent

log = logging.getLogger(__name__)

E = TypeVar("E", bound=RunEvent)

QUEUE_SIZE = 1000
"""Events that may wait for one handler; further ones are dropped."""
POLL_SECONDS = 5.0
"""How often to read without a notification: the folder may have been replaced."""
CLOSE_SECONDS = 1.0
"""How long handlers may take for their queued events when the bus is closed."""


class EventBus:
    def __init__(self, journal: Journal) -> None:
        """Nothing is read, written or started before the first use."""
        self.journal = journal
        self.worker = secrets.token_hex(8)
        self._subscriptions: list[_Subscription] = []
        self._reader: JournalReader | None = None
        self._changed = Flag()
        self._watcher: FolderWatcher | None = None
        self._follower: gevent.Greenlet[..., None] | None = None

    def subscribe(
        self, kind: type[E], handler: Callable[[E], None], *, every_worker: bool = False
    ) -> None:
        """Call `handler` with each event of a kind, RunEvent for all, one at a time.

        In a greenlet of its own, once the bus has started, so it may block without delaying
        others. Its exceptions are logged.
        """
        subscription = _Subscription(kind, handler, every_worker=every_worker)
        self._subscriptions.append(subscription)
        if self._follower:
            subscription.start()

    def emit(self, event: RunEvent) -> None:
        """Emit an event that is not derived from a run's files. Raises OSError, DiskFull too."""
        with self.writing() as writer:
            writer.append([types.encode(event, self.worker)])

    @contextlib.contextmanager
    def writing(self) -> Iterator[JournalWriter]:
        """Within this context no one else emits, in any worker. Raises OSError."""
        self._open()
        with self.journal.locked() as writer:
            yield writer
        self._changed.set()

    # --- delivering -------------------------------------------------------------------------

    def start(self) -> None:
        """Deliver the events emitted from now on, and those that this worker has emitted before."""
        if self._follower:
            return
        try:
            atomic_files.make_folder(self.journal.folder)
            self._open()
            self._watcher = FolderWatcher()
            self._watcher.watch(self.journal.folder, self._changed.set)
        except OSError as error:  # a full disk must not keep the server from starting
            log.warning("%s is not watched: %s", self.journal.folder, error)
        for subscription in self._subscriptions:
            subscription.start()
        self._follower = gevent.spawn(self._follow)
        self._changed.set()

    def close(self) -> None:
        """Deliver nothing more; handlers have CLOSE_SECONDS for their queued events."""
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
        """Read from the end of the journal on; what follows is delivered. Raises OSError."""
        if self._reader is None:
            self._reader = JournalReader(self.journal, self.journal.end())
        return self._reader

    def _follow(self) -> None:
        while True:
            self._changed.wait(POLL_SECONDS)
            self._changed.clear()
            try:
                self._deliver_new()
            except Exception:  # retried at the next notification or poll
                log.exception("the journal of events cannot be read")

    def _deliver_new(self) -> None:
        reader = self._open()
        while lines := reader.read():
            for line in yielding(lines):
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
                    each.enqueue(entry.event)


class _Subscription:
    """One handler, its queue, and the greenlet that calls it."""

    def __init__(
        self, kind: type[RunEvent], handler: Callable[[Any], None], *, every_worker: bool
    ) -> None:
        self.every_worker = every_worker
        self._kind = kind
        self._handler = handler
        called = handler.func if isinstance(handler, partial) else handler
        self._name = getattr(called, "__qualname__", type(called).__name__)
        self._queue: Queue[RunEvent | None] = Queue(QUEUE_SIZE)
        self._dropped = 0
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> gevent.Greenlet[..., None] | None:
        """Stop after the queued events; return the greenlet to wait for."""
        greenlet, self._greenlet = self._greenlet, None
        try:
            self._queue.put_nowait(None)
        except Full:
            if greenlet:
                greenlet.kill()
        return greenlet

    def enqueue(self, event: RunEvent) -> None:
        if not isinstance(event, self._kind):
            return
        try:
            self._queue.put_nowait(event)
        except Full:
            if not self._dropped:
                log.error("the handler %s is too slow: events are lost to it", self._name)
            self._dropped += 1
        else:
            if self._dropped:
                log.error("the handler %s has lost %d events", self._name, self._dropped)
                self._dropped = 0

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            with context.run(event.run_id):
                self._handle(event)

    def _handle(self, event: RunEvent) -> None:
        try:
            self._handler(event)
        except Exception:
            log.exception("the handler %s has failed at %s", self._name, event.id)
