"""One at a time for each key: what is done about one of them holds up no other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gevent.lock import BoundedSemaphore


class KeyedLock:
    """The turns of this worker's greenlets. A key is kept while somebody has its turn or waits."""

    def __init__(self) -> None:
        self._taken: dict[str, BoundedSemaphore] = {}

    @contextlib.contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Wait until nobody else is at it. Who has the turn must not ask for it again."""
        turn = self._taken.setdefault(key, BoundedSemaphore(1))
        try:
            with turn:
                yield
        finally:
            if not turn.locked() and not turn.linkcount():
                self._taken.pop(key, None)
