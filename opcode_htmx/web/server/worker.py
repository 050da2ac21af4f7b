"""gunicorn's gevent worker, with a limit on connections without a login.

gunicorn loads it before it patches the standard library: nothing of the app is imported here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from typing import Any

import gevent
from gevent.event import Event
from gunicorn.workers.ggevent import GeventWorker

from opcode_htmx.lib.concurrency.rounds import TICKS
from opcode_htmx.web.server import reload
from opcode_htmx.web.server.connections import Connections, linger, request_begins

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_READABLE = 1
"""libev's event mask for a descriptor that can be read from."""


class Worker(GeventWorker):  # type: ignore[misc]
    connections: Connections

    @property
    def alive(self) -> bool:
        """Whether it goes on. gunicorn sets it to False for a worker that is to end."""
        return self._alive

    @alive.setter
    def alive(self, value: bool) -> None:
        self._alive = value
        if not value and hasattr(self, "_parting"):
            self._parting.set()

    def wait_for_end(self) -> None:
        """Block until it is to end: it has been asked to, or its arbiter has died.

        A worker whose arbiter was killed would keep the port for another second.
        """
        self._parting = Event()
        arbiter = _ends(self.ppid, self._parting.set)
        try:
            if not self._alive or self.ppid != os.getppid():
                self._parting.set()
            while not self._parting.wait(None if arbiter else _LOOK_SECONDS):
                if self.ppid != os.getppid():
                    break
            self.alive = False
        finally:
            if arbiter:
                arbiter()

    def notify(self) -> None:
        """Called about once a second, for the arbiter; also runs the jobs that are due by then."""
        super().notify()
        TICKS.tick()

    def patch(self) -> None:
        with plugins_read_once():
            super().patch()

    def run(self) -> None:
        reload.served_by(self.ppid)
        hub: Any = gevent.get_hub()
        hub.print_exception = _log_exception
        self.connections = Connections()
        sweeper = gevent.spawn(self.connections.run)
        try:
            super().run()
        finally:
            sweeper.kill(block=False)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        address = addr[0] if isinstance(addr, tuple) else ""
        with self.connections.opened(client, address):
            super().handle(listener, client, addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        # A body that is sent without a login is not read, so no request can follow it
        closes = _is_unread(req) and not req.must_close
        if closes:
            req.force_close()
        request_begins(partial(_keep_open, req) if closes else None)
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            if _is_unread(req):
                linger(sock)
        if _is_unread(req):
            # gunicorn would read on for two seconds, at full speed
            raise StopIteration


@contextmanager
def plugins_read_once() -> Iterator[None]:
    """Within, what packages declare for others is read once.

    gevent looks for its plugins before and after each module that it patches, and each time the
    metadata of all packages would be read: 80 ms of a start.
    """
    original: Any = metadata.entry_points
    found: Any = original()
    metadata.entry_points = lambda **wanted: found.select(**wanted)
    try:
        yield
    finally:
        metadata.entry_points = original


def _ends(pid: int, then: Callable[[], None]) -> Callable[[], None] | None:
    """Call `then` when a process has ended. Returns a function that cancels that, or None where the
    kernel cannot report it."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    hub: Any = gevent.get_hub()
    ended = hub.loop.io(handle, _READABLE)
    ended.start(then)

    def forget() -> None:
        ended.stop()
        ended.close()
        os.close(handle)

    return forget


def _log_exception(context: Any, kind: Any, value: Any, trace: Any) -> None:
    """Log what a greenlet has left unhandled: gevent would print it, with the arguments."""
    function = getattr(context, "_run", None)
    name = getattr(function, "__qualname__", type(context).__name__)
    log.error("the greenlet %s has failed", name, exc_info=(kind, value, trace))


def _keep_open(req: Any) -> None:
    req.must_close = False


def _is_unread(req: Any) -> bool:
    """Whether a part of the request's body has not been read."""
    reader = getattr(getattr(req, "body", None), "reader", None)
    return bool(getattr(reader, "length", 0) or getattr(reader, "parser", None))
