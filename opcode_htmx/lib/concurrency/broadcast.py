"""Wake any number of greenlets when something has changed."""

from __future__ import annotations

import gevent
from gevent.event import Event


class Broadcast:
    """A version counter that can be waited on.

    A waiter passes the version that it has seen and gets the newest one; a change between two waits
    is never missed, and many changes are one wake-up.
    """

    __slots__ = ("_event", "_version")

    def __init__(self) -> None:
        self._version = 0
        self._event: Event | None = None
        """Exists only while a greenlet waits: most of the time none does."""

    @property
    def version(self) -> int:
        return self._version

    @property
    def is_awaited(self) -> bool:
        """Whether a greenlet waits."""
        return self._event is not None

    def notify(self) -> None:
        self._version += 1
        event, self._event = self._event, None
        if event is not None:
            event.set()

    def wait(self, seen: int, timeout: float | None = None) -> int:
        """Wait until the version differs from `seen`, or `timeout` seconds; return the version."""
        if self._version == seen:
            event = self._event
            if event is None:
                event = self._event = Event()
            if timeout is not None:
                event.wait(timeout)
                return self._version
            # as Event.wait does it, without its three calls for a timer that there is not
            switch = gevent.getcurrent().switch
            event.rawlink(switch)
            try:
                gevent.get_hub().switch()
            finally:
                event.unlink(switch)
        return self._version
