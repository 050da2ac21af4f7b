"""Times of what has been, read with a clock that was ahead when they were written.

Compared with the clock of now, such a time would hide what happens until it has come.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from opcode_htmx.lib.files import json_fields

T = TypeVar("T")

MOST = 3000
"""Times that are kept, those that were noticed last: up to three of a session."""
KEPT_SECONDS = 365 * 86_400
"""For how long one is kept once it has come: until then it says what was seen."""

_BEFORE_SECONDS = 0.001
"""How long before an end a look counts as noticed that was before it."""


class PastTimes:
    """A time that was still to come once counts as when it was noticed first, also later on."""

    def __init__(self, noticed: Mapping[float, float] | None = None) -> None:
        """`noticed`: when times were noticed, as Unix times, by those times."""
        self._known = noticed or {}
        self.new: dict[float, float] = {}
        """What was noticed by this object."""

    def of(self, at: float) -> float:
        """A Unix time that is not to come."""
        now = time.time()
        noticed = self._noticed(at, now)
        if noticed is not None:
            return noticed
        return at if at <= now else self._notice(at, now)

    def newest_first(self, items: Iterable[T], at: Callable[[T], float]) -> list[T]:
        """Sort by Unix times; what a clock that was ahead has written, by when that was noticed.

        Among each other such items stay in their order, whichever was noticed first.
        """
        moments, latest = dict[float, float](), math.inf
        items = list(items)
        for each in sorted({at(item) for item in items}, reverse=True):
            moment = self.of(each)
            if self.is_wrong(each):
                moment = latest = min(moment, latest)
            moments[each] = moment
        return sorted(items, key=lambda item: (moments[at(item)], at(item)), reverse=True)

    def is_wrong(self, at: float) -> bool:
        """Whether a time is to come, or was noticed before it had come."""
        now = time.time()
        return at > now or self._noticed(at, now) is not None

    def is_seen(self, at: float, seen_at: float) -> bool:
        """Whether what was at one time has been seen by a person who looked at another time."""
        if not (self.is_wrong(at) and self.is_wrong(seen_at)):
            return self.of(at) <= self.of(seen_at)
        is_seen = at <= seen_at  # of the same clock
        noticed = self.of(at)
        if self._noticed(seen_at, time.time()) is None:
            self._notice(seen_at, noticed if is_seen else noticed - _BEFORE_SECONDS)
        return is_seen

    def _noticed(self, at: float, now: float) -> float | None:
        noticed = self.new.get(at, self._known.get(at))
        # in a time to come: the clock was ahead then, too
        return noticed if noticed is not None and noticed <= now else None

    def _notice(self, at: float, now: float) -> float:
        self.new.pop(at, None)  # the last one noticed is the newest
        self.new[at] = now
        if len(self.new) > MOST:
            del self.new[next(iter(self.new))]
        return now


def merged(known: Mapping[float, float], new: Mapping[float, float]) -> dict[float, float]:
    """What was noticed here, and before by others, without what is too old or too much."""
    now = time.time()
    found = {at: each for at, each in known.items() if at > now - KEPT_SECONDS and each <= now}
    for at, noticed in new.items():
        if at <= json_fields.MOST:
            found.setdefault(at, noticed)
    return dict(list(found.items())[-MOST:])
