"""The numbers of files that sessions have changed, for their pages; as far as somebody has counted.

A page shows the last number at once. After each change of its session it is counted again, in the
background, and the page gets the new number.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import gevent

T = TypeVar("T")

KEPT = 256
MOST_TRIES = 20
"""Counts in a row that are behind, after which the next change of the session is waited for."""
SOONEST, EVERY = 0.5, 4.0
"""Seconds from a change until it is counted, and the least between two counts of a session."""


class ChangedCounts:
    """Of one worker, in memory only."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, int] = OrderedDict()
        self._asked: OrderedDict[str, object] = OrderedDict()
        self._running: set[str] = set()
        self._count: Callable[[str], object] | None = None

    def counted_by(self, count: Callable[[str], object]) -> None:
        """Have `count` count for a session's id; it may take its time, and then calls `note`.

        It gives something true where it has counted less than there is by now.
        """
        self._count = count

    def of(self, session_id: str, version: object) -> int:
        """The number as it was counted last; 0 if it is not known. Does not wait.

        With another `version` of the session than at the last call it is counted again.
        """
        if self._count and self._asked.get(session_id) != version:
            _keep(self._asked, session_id, version)
            if session_id not in self._running:
                self._running.add(session_id)
                gevent.spawn_later(SOONEST, self._run, session_id, version)
        return self._known.get(session_id, 0)

    def note(self, session_id: str, number: int) -> bool:
        """Keep a number; whether it is another one."""
        is_new = self._known.get(session_id, 0) != number
        _keep(self._known, session_id, number)
        return is_new

    def _run(self, session_id: str, version: object) -> None:
        """Count, and count again as long as the session has changed meanwhile."""
        try:
            behind = 0
            while self._count:
                behind = behind + 1 if self._count(session_id) else 0
                gevent.sleep(EVERY)
                latest = self._asked.get(session_id)
                if latest == version and not 0 < behind < MOST_TRIES:
                    return
                version = latest
        finally:
            self._running.discard(session_id)


def _keep(kept: OrderedDict[str, T], key: str, value: T) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > KEPT:
        kept.popitem(last=False)
