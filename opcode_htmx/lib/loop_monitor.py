"""How long the server could not attend to anything else: measured at every turn of the hub.

All that the server does shares one hub. Whoever works without giving way holds up everybody, so
the time between two looks at the sockets is measured, always, and what takes long is named in the
log. gevent's own monitor thread is not used: it sees no work that is done in the hub itself, nor
many short pieces in a row, tells no length, and for its report walks through all that is in memory.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from types import FrameType
from typing import Any

import gevent
from gevent import monkey

log = logging.getLogger(__name__)

LIMIT = 0.05
"""Seconds: what takes longer is a stall."""

MINUTE = 60
LOG_SECONDS = 10.0
"""How often a stall is named in the log at most; the others are counted."""

STACK = 6
"""How many of the calls that held the hub are named."""

_new_thread: Callable[..., Any] = monkey.get_original("_thread", "start_new_thread")
_new_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")
_this_thread: Callable[[], int] = monkey.get_original("_thread", "get_ident")
_sleep: Callable[[float], None] = monkey.get_original("time", "sleep")


@dataclass(frozen=True, slots=True)
class LoopStall:
    """One time that nothing else could be attended to."""

    seconds: float
    at: float
    """When it was over, as a Unix time."""
    by: tuple[str, ...]
    """The calls that went on when it had lasted for LIMIT, the innermost first; may be empty."""


@dataclass(frozen=True, slots=True)
class Health:
    """How long the hub was held, in seconds."""

    since: float
    """Since when it is measured, as a Unix time."""
    worst: float
    """Since then."""
    worst_of_minute: float
    stalls: int
    """How often it was longer than LIMIT, since then."""
    busy: float
    """Which share of the last minute the hub was not waiting."""
    last: LoopStall | None
    """The newest stall."""


class LoopMonitor:
    """Measures the hub of the thread that starts it."""

    def __init__(self) -> None:
        self._since = time.time()
        self._began = 0.0
        self._turn = 0
        self._attending = False
        """Whether a turn goes on: the hub is not waiting."""
        self._worst = 0.0
        self._stalls = 0
        self._last: LoopStall | None = None
        self._second = _Second(int(perf_counter()))
        self._minute: deque[_Second] = deque(maxlen=MINUTE)
        self._seen: tuple[int, tuple[str, ...]] = (0, ())
        self._logged = (-LOG_SECONDS, 0)
        self._runs = False
        self._watchers: tuple[Any, ...] = ()
        self._parked = False
        self._wake = _new_lock()
        self._wake.acquire()

    def start(self) -> None:
        """Begin to measure, until `stop`."""
        loop: Any = gevent.get_hub().loop
        # The first that comes behind the wait for events, and the last in front of it
        after, before = loop.check(ref=False), loop.prepare(ref=False)
        after.priority, before.priority = loop.MAXPRI, loop.MINPRI
        self._watchers = after, before
        self._runs = True
        after.start(self._turn_begins)
        before.start(self._turn_ends)
        _new_thread(self._look, (_this_thread(),))

    def stop(self) -> None:
        self._runs = self._attending = False
        for watcher in self._watchers:
            watcher.stop()
            watcher.close()
        self._watchers = ()
        if self._parked:
            self._parked = False
            self._wake.release()

    @property
    def health(self) -> Health:
        now = int(perf_counter())
        seconds = [each for each in (*self._minute, self._second) if now - each.number < MINUTE]
        measured = min(MINUTE, max(1.0, time.time() - self._since))
        return Health(
            since=self._since,
            worst=self._worst,
            worst_of_minute=max((each.worst for each in seconds), default=0.0),
            stalls=self._stalls,
            busy=min(1.0, sum(each.busy for each in seconds) / measured),
            last=self._last,
        )

    def recently_busy(self) -> float:
        """Which share of the last whole second, of those that were measured, was worked."""
        return min(1.0, self._minute[-1].busy) if self._minute else 0.0

    # --- in the hub, at every turn: these must be quick ---------------------------------------

    def _turn_begins(self) -> None:
        self._began = perf_counter()
        self._turn += 1
        self._attending = True
        if self._parked:
            self._parked = False
            self._wake.release()

    def _turn_ends(self) -> None:
        if not self._attending:
            return  # the first one has no beginning
        self._attending = False
        now = perf_counter()
        held = now - self._began
        second = self._second
        if second.number != int(now):
            self._minute.append(second)
            second = self._second = _Second(int(now))
        second.busy += held
        if held > second.worst:
            second.worst = held
            if held > self._worst:
                self._worst = held
        if held > LIMIT:
            self._note(held, now)

    def _note(self, held: float, now: float) -> None:
        turn, by = self._seen
        self._stalls += 1
        self._last = LoopStall(held, time.time(), by if turn == self._turn else ())
        logged, before = self._logged
        if now - logged < LOG_SECONDS:
            return
        self._logged = now, self._stalls
        others = self._stalls - before - 1
        log.warning(
            "Nothing else was attended to for %.0f ms%s%s",
            held * 1e3,
            f" (and {others} times since the last warning)" if others else "",
            "".join(f"\n    {call}" for call in self._last.by),
        )

    # --- in a thread of its own ---------------------------------------------------------------

    def _look(self, hub_thread: int) -> None:
        """Note what goes on in a turn that takes long. Sleeps while the hub waits."""
        while self._runs:
            turn, began, attending = self._turn, self._began, self._attending
            if not attending:
                self._parked = True
                self._wake.acquire()
                continue
            left = began + LIMIT - perf_counter()
            if left <= 0 and self._seen[0] != turn:
                frame = sys._current_frames().get(hub_thread)
                self._seen = turn, _calls(frame)
                frame = None  # what the frame holds must not live as long as this loop
            _sleep(LIMIT if left <= 0 else left)


class _Second:
    """What was measured in one second."""

    __slots__ = ("busy", "number", "worst")

    def __init__(self, number: int) -> None:
        self.number = number
        self.busy = 0.0
        self.worst = 0.0


def _calls(frame: FrameType | None) -> tuple[str, ...]:
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False)
    return tuple(f"{each.filename}:{each.lineno} in {each.name}" for each in stack[:STACK])
