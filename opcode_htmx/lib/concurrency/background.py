"""A value that takes long to compute: in a thread, once for all who ask, and kept for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent

from opcode_htmx.lib.concurrency.cooperative import run_in_thread

T = TypeVar("T")

FRESH_SECONDS = 10.0
"""How long a value is kept at least."""
FRESH_TIMES = 5
"""How many times longer than its computation took a value is kept at least."""


class StillCounting(Exception):
    """The value is not there yet; the text is a sentence for the user."""


class Background(Generic[T]):
    """Computes a value in a thread while requests wait for it, as long as they like."""

    def __init__(self, compute: Callable[[], T], signature: Callable[[], object]) -> None:
        """`compute` is called in a thread; its exceptions are raised by `get`.

        A value is dropped when `signature`, which is cheap, has another result than before.
        """
        self._compute = compute
        self._signature = signature
        self._seen: object = None
        self._known: tuple[T, float] | None = None
        """The last value, and until when it is fresh (monotonic)."""
        self._running: gevent.Greenlet[[], tuple[T | None, Exception | None]] | None = None

    def get(self, patience: float) -> T | None:
        """The value if it is there within `patience` seconds, else the one before.

        None if there is none yet. Raises what the computation raised.
        """
        seen = self._signature()
        if seen != self._seen:
            self._seen = seen
            self.expire()
        if self._known is not None and time.monotonic() < self._known[1]:
            return self._known[0]
        if self._running is None:
            self._running = gevent.spawn(self._run)
        running = self._running
        running.join(patience)
        if not running.successful() or running.value is None:  # it runs, or was killed
            return self._known[0] if self._known else None
        value, error = running.value
        if error is not None:
            raise error
        return value

    def expire(self) -> None:
        """Compute it again at the next request."""
        self._known = self._running = None

    def _run(self) -> tuple[T | None, Exception | None]:
        begin, me = time.monotonic(), gevent.getcurrent()
        try:
            value = run_in_thread(self._compute)
        except Exception as error:  # else gevent would print it as well
            return None, error
        else:
            now = time.monotonic()
            if self._running is me:  # else it has expired meanwhile
                self._known = value, now + max(FRESH_SECONDS, FRESH_TIMES * (now - begin))
            return value, None
        finally:
            if self._running is me:
                self._running = None
