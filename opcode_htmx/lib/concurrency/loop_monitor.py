"""Measure how long the event loop is blocked, in every iteration, and log what blocks it.

All that a worker does shares one hub, so a greenlet that works without yielding delays all others.
gevent's own monitor thread is not used: it does not see work in the hub itself, nor many short
pieces in a row, reports no duration, and walks through the whole memory for its report.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any

import gevent
from gevent import monkey

from opcode_htmx.lib.concurrency.alarm import Alarm, alarm
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import count
from opcode_htmx.lib.logs.thread_stacks import innermost_calls
from opcode_htmx.lib.metrics.families import Counter, Histogram

log = logging.getLogger(__name__)

LIMIT = 0.05
"""Seconds: a longer iteration is a stall."""

MINUTE = 60
LOG_SECONDS = 10.0
"""The shortest time between two stalls in the log; those in between are counted."""

STACK = 6
"""How many calls of a blocking stack are logged."""

STALLS = Histogram(
    "opcode_event_loop_stall_seconds",
    "Iterations of the event loop that took longer than 50 ms",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
BUSY = Counter(
    "opcode_event_loop_busy_seconds", "Time in which the event loop was not waiting for events"
)

_new_thread: Callable[..., Any] = monkey.get_original("_thread", "start_new_thread")
_this_thread: Callable[[], int] = monkey.get_original("_thread", "get_ident")


@dataclass(frozen=True, slots=True)
class LoopStall:
    """One iteration of the loop that took longer than LIMIT."""

    seconds: float
    at: float
    """When it was over, as a Unix time."""
    by: tuple[str, ...]
    """The stack when it had lasted for LIMIT, the innermost call first; may be empty."""


@dataclass(frozen=True, slots=True)
class Health:
    """How long iterations of the loop took, in seconds."""

    since: float
    """When measuring began, as a Unix time."""
    worst: float
    """The longest iteration since then."""
    worst_of_minute: float
    stalls: int
    """How many iterations took longer than LIMIT since then."""
    busy: float
    """The share of the last minute (0 to 1) in which the hub was not waiting for events."""
    last: LoopStall | None
    """The newest stall."""


class LoopMonitor:
    """Measures the hub of the thread that starts it."""

    def __init__(
        self,
        stalled: Callable[[float], None] = lambda seconds: None,
        busy: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """`stalled` is called with the seconds of each stall, `busy` about once a second with the
        seconds that the loop has worked since; both must be quick."""
        self._report_stall = stalled
        self._report_busy = busy
        self._since = time.time()
        self._iteration_start = 0.0
        self._iteration = 0
        self._is_busy = False
        """Whether an iteration is running: the hub is not waiting for events."""
        self._worst = 0.0
        self._stalls = 0
        self._last: LoopStall | None = None
        self._second = _Second(int(perf_counter()))
        self._minute: deque[_Second] = deque(maxlen=MINUTE)
        self._sampled: tuple[int, tuple[str, ...]] = (0, ())
        """The last iteration whose stack was sampled, and the stack."""
        self._logged = (-LOG_SECONDS, 0)
        """When a stall was logged last, by `perf_counter`, and how many there had been."""
        self._is_running = False
        self._watchers: tuple[Any, ...] = ()
        self._alarm: Alarm | None = None

    def start(self) -> None:
        """Measure until `stop`."""
        loop: Any = gevent.get_hub().loop
        # The first callback after the loop has waited for events, and the last one before it waits
        after, before = loop.check(ref=False), loop.prepare(ref=False)
        after.priority, before.priority = loop.MAXPRI, loop.MINPRI
        self._watchers = after, before
        self._is_running = True
        self._alarm = alarm(LIMIT)
        after.start(self._begin_iteration)
        before.start(self._end_iteration)
        _new_thread(self._sample, (_this_thread(), self._alarm))

    def stop(self) -> None:
        self._is_running = self._is_busy = False
        for watcher in self._watchers:
            watcher.stop()
            watcher.close()
        self._watchers = ()
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None

    @property
    def health(self) -> Health:
        seconds = self._last_seconds(MINUTE)
        measured = min(MINUTE, max(1.0, time.time() - self._since))
        return Health(
            since=self._since,
            worst=self._worst,
            worst_of_minute=max((each.worst for each in seconds), default=0.0),
            stalls=self._stalls,
            busy=min(1.0, sum(each.busy for each in seconds) / measured),
            last=self._last,
        )

    def worst_of(self, seconds: int) -> float:
        """The longest iteration, in seconds, of the current second and of those before it.

        `seconds` is how many they are together, at most MINUTE.
        """
        return max((each.worst for each in self._last_seconds(seconds)), default=0.0)

    def _last_seconds(self, number: int) -> list[_Second]:
        now = int(perf_counter())
        return [each for each in (*self._minute, self._second) if now - each.number < number]

    def recently_busy(self) -> float:
        """The busy share (0 to 1) of the last whole second in which the loop ran."""
        return min(1.0, self._minute[-1].busy) if self._minute else 0.0

    # --- in the hub, in every iteration: these must be quick ----------------------------------

    def _begin_iteration(self) -> None:
        self._iteration_start = perf_counter()
        self._iteration += 1
        self._is_busy = True
        if self._alarm is not None:
            self._alarm.arm()

    def _end_iteration(self) -> None:
        if not self._is_busy:
            return  # the first one has no beginning
        self._is_busy = False
        if self._alarm is not None:
            self._alarm.disarm()
        now = perf_counter()
        seconds = now - self._iteration_start
        second = self._second
        if second.number != int(now):
            self._minute.append(second)
            self._report_busy(second.busy)
            second = self._second = _Second(int(now))
        second.busy += seconds
        if seconds > second.worst:
            second.worst = seconds
            if seconds > self._worst:
                self._worst = seconds
        if seconds > LIMIT:
            self._add_stall(seconds, now)

    def _add_stall(self, seconds: float, now: float) -> None:
        iteration, stack = self._sampled
        self._stalls += 1
        self._report_stall(seconds)
        self._last = LoopStall(seconds, time.time(), stack if iteration == self._iteration else ())
        logged, before = self._logged
        if now - logged < LOG_SECONDS:
            return
        self._logged = now, self._stalls
        others = self._stalls - before - 1
        log.warning(
            "the event loop was blocked for %.0f ms%s%s",
            seconds * 1e3,
            f" (and {count(others, 'time')} since the last warning)" if others else "",
            "".join(f"\n    {call}" for call in self._last.by),
        )

    # --- in a thread of its own ---------------------------------------------------------------

    def _sample(self, hub_thread: int, alarm: Alarm) -> None:
        """Sample the stack of each iteration that takes long. Sleeps while none does."""
        while self._is_running:
            alarm.wait()
            iteration, start = self._iteration, self._iteration_start
            if self._is_busy and perf_counter() - start >= LIMIT:
                self._sampled = iteration, innermost_calls(hub_thread, STACK)
        alarm.dispose()


class _Second:
    """The measurements of one second."""

    __slots__ = ("busy", "number", "worst")

    def __init__(self, number: int) -> None:
        self.number = number
        self.busy = 0.0
        self.worst = 0.0
