"""Times of what has been, read with a clock that was ahead when they were written.

Compared with the clock of now, such a time would hide what happens until it has come.
"""

from __future__ import annotations

import time

MOST = 1000
"""Times that are kept: those that were noticed last."""


class PastTimes:
    """A time that is still to come counts as when it was noticed first, by this object."""

    def __init__(self) -> None:
        self._noticed: dict[float, float] = {}

    def of(self, at: float) -> float:
        """A Unix time that is not to come."""
        now = time.time()
        if at <= now:
            return at
        noticed = self._noticed.get(at)
        if noticed is None or noticed > now:
            self._noticed.pop(at, None)
            noticed = self._noticed[at] = now
            if len(self._noticed) > MOST:
                del self._noticed[next(iter(self._noticed))]
        return noticed

    def is_seen(self, at: float, seen_at: float) -> bool:
        """Whether what was at one time has been seen by a person who looked at another time."""
        if min(at, seen_at) > time.time():  # of the same clock
            is_seen = at <= seen_at
            if is_seen:
                self.of(at)  # before the time of the look is
            return is_seen
        return self.of(at) <= self.of(seen_at)
