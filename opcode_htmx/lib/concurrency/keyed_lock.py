"""A mutex per key, for the greenlets of one worker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gevent.lock import BoundedSemaphore


class KeyedLock:
    """A mutex per key. A key takes memory only while its lock is held or waited for."""

    def __init__(self) -> None:
        self._locks: dict[str, BoundedSemaphore] = {}

    @contextlib.contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Hold the lock of `key`. Not reentrant."""
        lock = self._locks.setdefault(key, BoundedSemaphore(1))
        try:
            with lock:
                yield
        finally:
            if not lock.locked() and not lock.linkcount():
                self._locks.pop(key, None)
