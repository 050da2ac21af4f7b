"""Work that is done again and again, in one schedule: what is due together is one wake-up.

Each wake-up of an idle process costs more than the little work that is done in it, as the processor
has forgotten the code. While there is nothing to look after, the schedule sleeps.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import field

import gevent
from gevent.event import Event

from opcode_htmx.lib.dataclass import dataclass

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""About how often a worker ticks: gunicorn's worker does so to show that it is alive."""
EARLY = TICK_SECONDS / 2
"""By how much something may be done too early, or too late."""


class Ticks:
    """Wakes each waiting greenlet at the tick that is nearest to its time."""

    def __init__(self) -> None:
        self._waiting: dict[Event, float] = {}
        """When each is due, by the monotonic clock."""
        self._last = -TICK_SECONDS * 10

    def tick(self) -> None:
        """To be called about once a second, in the hub's thread."""
        self._last = now = time.monotonic()
        for event, due in list(self._waiting.items()):
            if due <= now + EARLY:
                event.set()

    def sleep(self, seconds: float) -> None:
        """Block for about `seconds`; exactly for less than TICK_SECONDS, or where nobody ticks."""
        if seconds < TICK_SECONDS:
            gevent.sleep(seconds)
        else:
            self.wait(Event(), seconds)

    def wait(self, event: Event, seconds: float) -> None:
        """Block until an event that nobody else waits for, which the tick sets, too.

        That is the tick within EARLY of `seconds` from now, if there is one.
        """
        now = time.monotonic()
        if seconds < EARLY or now - self._last > 2 * TICK_SECONDS:
            event.wait(seconds)
            return
        self._waiting[event] = now + seconds
        try:
            event.wait(seconds + TICK_SECONDS)  # should the ticks end meanwhile
        finally:
            del self._waiting[event]


TICKS = Ticks()
"""Those of this process."""


@dataclass(slots=True, eq=False)
class _Task:
    name: str
    seconds: Callable[[], float]
    work: Callable[[], object]
    due: float = 0.0
    """By the monotonic clock."""
    early: float = 0.0
    """By how much it may be done too early, to be done with others."""
    is_due: Event = field(default_factory=Event)
    greenlet: gevent.Greenlet[[], None] | None = None

    def plan(self, now: float) -> None:
        """At a multiple of its time, so that the tasks are due together."""
        seconds = self.seconds()
        self.early = EARLY if seconds >= TICK_SECONDS else 0.0
        after = max(now, self.due)
        self.due = (after // seconds + 1) * seconds
        while self.due <= after:  # 1.1 is rounded, and so goes 1001 times into 1002 * 1.1
            self.due += seconds

    def begin(self) -> None:
        """In a greenlet of its own, so that one that blocks holds up no other.

        The greenlet is kept: a new one costs more than most of the work.
        """
        self.is_due.set()
        if self.greenlet is None:
            self.greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            self.is_due.wait()
            self.is_due.clear()
            try:
                self.work()
            except Exception:  # the next round tries again
                log.exception("could not %s", self.name)


class Rounds:
    """Tasks, each with a time after which it is done again."""

    def __init__(self, is_needed: Callable[[], bool]) -> None:
        """`is_needed` returns whether there is anything to look after; it is called often."""
        self._is_needed = is_needed
        self._tasks: list[_Task] = []
        self._wake = Event()
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def add(self, name: str, seconds: Callable[[], float], work: Callable[[], object]) -> None:
        """Do `work` about every `seconds()`, in a greenlet of its own.

        `name` says what it does, for the log: "check the limits".
        """
        self._tasks.append(_Task(name, seconds, work))
        self.wake()

    def start(self) -> None:
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()  # first: else it could begin one more task
        gevent.killall([task.greenlet for task in self._tasks if task.greenlet is not None])

    def wake(self) -> None:
        """Rounds may be needed from now on. To be called after each change of `is_needed`."""
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.clear()
            if not (self._tasks and self._is_needed()):
                self._wake.wait()
                continue
            now = time.monotonic()
            for task in self._tasks:
                if task.due - task.early <= now:
                    task.plan(now)
                    task.begin()
            next_due = min(task.due for task in self._tasks)
            TICKS.wait(self._wake, max(0.0, next_due - time.monotonic()))
