"""Sharing the hub: who works for long gives way, and what can wait lets everything else go first.

`gevent.sleep(0)` is not enough for that: gevent runs some fifty greenlets that are ready, for
however long that takes, before it looks at the sockets again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import Any, Self, TypeVar

import gevent
from gevent.hub import Waiter
from gevent.lock import BoundedSemaphore

T = TypeVar("T")

SLICE = 0.004
"""Seconds for which one may work before one gives way."""

QUIET_SLICE = 0.001
"""The same for what can wait."""

PATIENCE = 0.05
"""Seconds after which what can wait is done all the same, however much there is to do."""


def give_way() -> None:
    """Let the hub look at sockets, files and clocks, and let everybody run who is ready."""
    loop: Any = gevent.get_hub().loop
    gevent.idle(loop.MAXPRI)


def wait_for_quiet(at_most: float = PATIENCE) -> None:
    """Wait until nobody else has anything to do, or so many seconds."""
    hub: Any = gevent.get_hub()
    waiter: Any = Waiter(hub)
    with hub.loop.idle() as quiet, hub.loop.timer(at_most) as over:
        quiet.start(waiter.switch, None)
        over.start(waiter.switch, None)
        waiter.get()


class Pace:
    """For a loop that may be long: gives way when it is time to."""

    def __init__(self) -> None:
        self._since = perf_counter()

    def step(self) -> None:
        if perf_counter() - self._since > SLICE:
            give_way()
            self._since = perf_counter()


def paced(pieces: Iterable[T]) -> Iterator[T]:
    """The same pieces, giving way in between: a socket with room for them would not wait."""
    pace = Pace()
    for piece in pieces:
        yield piece
        pace.step()


class Background:
    """What can wait: one piece of it at a time, while there is nothing else to do."""

    def __init__(self) -> None:
        self.one = BoundedSemaphore(1)
        self.since = 0.0

    def turn(self) -> Turn:
        """To be held for a short piece of work, and never while waiting for somebody else."""
        return Turn(self)


class Turn:
    def __init__(self, background: Background) -> None:
        self._background = background
        self._held = False

    def __enter__(self) -> Self:
        try:
            self._take()
        except BaseException:  # killed while it waits for quiet, say: the turn is another's
            self._leave()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def step(self) -> None:
        """In the middle of longer work: let others have their turn, if it is time to."""
        if perf_counter() - self._background.since > QUIET_SLICE:
            self._leave()
            gevent.sleep(0)  # who waits for the turn is told of it, and comes first
            self._take()

    def _take(self) -> None:
        self._background.one.acquire()
        self._held = True
        if perf_counter() - self._background.since > QUIET_SLICE:
            wait_for_quiet()
            self._background.since = perf_counter()

    def _leave(self) -> None:
        if self._held:
            self._held = False
            self._background.one.release()
