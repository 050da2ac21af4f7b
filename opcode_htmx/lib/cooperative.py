"""Sharing the hub: who works for long gives way or goes aside, and what can wait comes last.

`gevent.sleep(0)` is not enough for that: gevent runs some fifty greenlets that are ready, for
however long that takes, before it looks at the sockets again.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Any, ParamSpec, Self, TypeVar

import gevent
from gevent import monkey
from gevent.hub import Waiter
from gevent.lock import BoundedSemaphore

P = ParamSpec("P")
T = TypeVar("T")

CEDE_EVERY, CEDE_SECONDS = 0.02, 0.0001
"""Seconds: how often, and for how long, the hub lets a thread go first that is at work for it."""

_sleep: Callable[[float], None] = monkey.get_original("time", "sleep")
_this_thread: Callable[[], int] = monkey.get_original("_thread", "get_ident")
_aside: set[int] = set()
"""The threads in which something is done aside."""
_worker = BoundedSemaphore(1)

SLICE = 0.004
"""Seconds for which one may work before one gives way."""

QUIET_SLICE = 0.001
"""The same for what can wait."""

PATIENCE = 0.05
"""Seconds after which what can wait is done all the same, however much there is to do."""


def yield_to_loop() -> None:
    """Let the hub look at sockets, files and clocks, and let everybody run who is ready.

    Nothing to do in a thread that works for the hub, which goes on beside it.
    """
    if _this_thread() in _aside:
        return
    loop: Any = gevent.get_hub().loop
    gevent.idle(loop.MAXPRI)


def wait_until_idle(at_most: float = PATIENCE) -> None:
    """Wait until nobody else has anything to do, or so many seconds."""
    hub: Any = gevent.get_hub()
    waiter: Any = Waiter(hub)
    with hub.loop.idle() as quiet, hub.loop.timer(at_most) as over:
        quiet.start(waiter.switch, None)
        over.start(waiter.switch, None)
        waiter.get()


def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` gives or raises, done in a thread of its own while everybody else goes on.

    For what waits for a disk, and for long work on what nobody else has in hand. In a thread of
    this kind it is simply done.
    """
    if _this_thread() in _aside:
        return function(*args, **kwargs)

    def work() -> tuple[T, None] | tuple[None, BaseException]:
        _aside.add(_this_thread())
        try:
            return function(*args, **kwargs), None
        except BaseException as error:  # else gevent would print it as well
            return None, error
        finally:
            _aside.discard(_this_thread())

    hub: Any = gevent.get_hub()
    # A hub that never waits takes the interpreter again before any thread has woken up
    with hub.loop.timer(CEDE_EVERY, CEDE_EVERY) as ceding:
        ceding.start(_sleep, CEDE_SECONDS)
        result, error = hub.threadpool.apply(work)
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def run_cpu_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for what works and does not wait: one piece of it at a time.

    It takes turns with the hub for the interpreter, every 5 ms; with several, that would be more.
    The garbage collector takes no turns, and has to look through all that is in memory when much is
    made at once: it waits meanwhile.
    """
    if _this_thread() in _aside:
        return function(*args, **kwargs)

    def work() -> T:
        collects = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            if collects:
                gc.enable()

    with _worker:
        return run_in_thread(work)


class TimeSlicer:
    """For a loop that may be long: gives way when it is time to."""

    def __init__(self) -> None:
        self._since = perf_counter()

    def step(self) -> None:
        if perf_counter() - self._since > SLICE:
            yield_to_loop()
            self._since = perf_counter()


def yielding(pieces: Iterable[T]) -> Iterator[T]:
    """The same pieces, giving way in between: a socket with room for them would not wait."""
    pace = TimeSlicer()
    for piece in pieces:
        yield piece
        pace.step()


class IdleQueue:
    """What can wait: one piece of it at a time, while there is nothing else to do."""

    def __init__(self) -> None:
        self.one = BoundedSemaphore(1)
        self.since = 0.0

    def slot(self) -> IdleSlot:
        """To be held for a short piece of work, and never while waiting for somebody else."""
        return IdleSlot(self)


class IdleSlot:
    def __init__(self, background: IdleQueue) -> None:
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
            wait_until_idle()
            self._background.since = perf_counter()

    def _leave(self) -> None:
        if self._held:
            self._held = False
            self._background.one.release()
