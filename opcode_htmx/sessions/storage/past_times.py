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

GRACE_SECONDS = 60.0
"""How far ahead a time of a list may be, and apart what is noticed at once: clocks differ."""
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

        Those that are noticed within a minute, as in two lists, stay in their order. One that is
        noticed later comes before them, although its time may be earlier: it was just used, by a
        clock that is less wrong.
        """
        items, now = list(items), time.time()
        moments, latest = dict[float, float](), math.inf
        for each in sorted({at(item) for item in items}, reverse=True):
            if self.is_wrong(each):
                moment = self.of(each)
                if moment - GRACE_SECONDS <= latest:
                    moment = min(moment, latest)
                moments[each] = latest = moment
            else:
                moments[each] = min(each, now)
        return sorted(items, key=lambda item: (moments[at(item)], at(item)), reverse=True)

    def is_wrong(self, at: float) -> bool:
        """Whether a time in a list is to come, or was noticed before it had come."""
        now = time.time()
        return at > now + GRACE_SECONDS or self._noticed(at, now) is not None

    def noticed_by(self, at: float, moment: float) -> float:
        """When a time was noticed, if that was by a moment; else the time, which may be to come.

        A time noticed after the moment says nothing about what came first.
        """
        noticed = self._noticed(at, time.time())
        return noticed if noticed is not None and noticed <= moment else at

    def is_seen(self, at: float, seen_at: float) -> bool:
        """Whether what was at one time has been seen by a person who looked at another time."""
        if not (self._is_ahead(at) and self._is_ahead(seen_at)):
            return self.of(at) <= self.of(seen_at)
        is_seen = at <= seen_at  # of the same clock
        noticed = self.of(at)
        if self._noticed(seen_at, time.time()) is None:
            self._notice(seen_at, noticed if is_seen else noticed - _BEFORE_SECONDS)
        return is_seen

    def _is_ahead(self, at: float) -> bool:
        now = time.time()
        return at > now or self._noticed(at, now) is not None

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
