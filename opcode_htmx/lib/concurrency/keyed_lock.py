"""A mutex per key, for the greenlets of one worker."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from opcode_htmx.lib.concurrency.cooperative import has_loop

if TYPE_CHECKING:
    from gevent.lock import BoundedSemaphore


class KeyedLock:
    """A mutex per key. A key takes memory only while its lock is held or waited for."""

    def __init__(self) -> None:
        self._locks: dict[str, _Lock] = {}

    @contextlib.contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Hold the lock of `key`. Not reentrant."""
        lock = self._locks.setdefault(key, _Lock())
        lock.users += 1
        try:
            with lock.mutex:
                yield
        finally:
            lock.users -= 1
            if not lock.users:
                self._locks.pop(key, None)


class _Lock:
    def __init__(self) -> None:
        self.mutex = _mutex()
        self.users = 0
        """How many hold it or wait for it."""


def _mutex() -> BoundedSemaphore | threading.Lock:
    if not has_loop():
        return threading.Lock()
    from gevent.lock import BoundedSemaphore

    return BoundedSemaphore(1)
