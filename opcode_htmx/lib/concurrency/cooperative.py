"""Cooperative scheduling: time slices, work in threads, and a queue for idle time.

`gevent.sleep(0)` does not yield enough: gevent runs some fifty ready greenlets, for however long
that takes, before it polls the sockets again.

In a process that has not loaded gevent, such as the indexer, there is nobody to yield to, and the
work is done where it is called. This module does not load it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from opcode_htmx.lib.logs import context

if TYPE_CHECKING:
    from gevent.lock import BoundedSemaphore

P = ParamSpec("P")
T = TypeVar("T")

CEDE_EVERY, CEDE_SECONDS = 0.02, 0.0001
"""Seconds: how often, and for how long, the hub pauses so that a thread working for it runs."""

_worker_threads: set[int] = set()
"""The ids of the threads in which `run_in_thread` is running something."""

SLICE = 0.004
"""Seconds that a greenlet may work before it yields."""

IDLE_SLICE = 0.001
"""The same for work in an IdleQueue."""

MAX_IDLE_WAIT = 0.05
"""Seconds after which idle work is done even if the loop is still busy."""


def has_loop() -> bool:
    """Whether this process has loaded gevent, and so may have an event loop."""
    return "gevent" in sys.modules


def yield_to_loop() -> None:
    """Let the hub poll sockets, files and timers, and run every greenlet that is ready.

    Does nothing in a thread of `run_in_thread`: the hub runs beside it anyway.
    """
    if _has_no_hub():
        return
    import gevent

    loop: Any = gevent.get_hub().loop
    gevent.idle(loop.MAXPRI)


def wait_until_idle(timeout: float = MAX_IDLE_WAIT) -> None:
    """Wait until no other greenlet is ready to run, or `timeout` seconds."""
    import gevent
    from gevent.hub import Waiter

    hub: Any = gevent.get_hub()
    waiter: Any = Waiter(hub)
    with hub.loop.idle() as idle, hub.loop.timer(timeout) as expired:
        idle.start(waiter.switch, None)
        expired.start(waiter.switch, None)
        waiter.get()


def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a thread while other greenlets run; return its result or raise its error.

    For blocking file operations, and for long work on data that nothing else uses meanwhile.
    Called within such a thread, it calls `function` directly.
    """
    if _has_no_hub():
        return function(*args, **kwargs)
    import gevent

    caller, this_thread = context.current(), _original("_thread", "get_ident")

    def work() -> tuple[T, None] | tuple[None, BaseException]:
        _worker_threads.add(this_thread())
        try:
            with context.doing(caller):
                return function(*args, **kwargs), None
        except BaseException as error:  # else gevent would print it as well
            return None, error
        finally:
            _end_hub_of_thread()
            _worker_threads.discard(this_thread())

    hub: Any = gevent.get_hub()
    # A hub that never blocks takes the interpreter again before any thread has woken up
    with hub.loop.timer(CEDE_EVERY, CEDE_EVERY) as cede_timer:
        cede_timer.start(_original("time", "sleep"), CEDE_SECONDS)
        result, error = hub.threadpool.apply(work)
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def has_hub() -> bool:
    """Whether other greenlets can run while the caller waits."""
    return not _has_no_hub()


def _has_no_hub() -> bool:
    """Whether the caller has none to wait in: a thread of `run_in_thread`, or without gevent."""
    return not has_loop() or _original("_thread", "get_ident")() in _worker_threads


@cache
def _original(module: str, name: str) -> Callable[..., Any]:
    """A function of the standard library as it was before gevent has patched it."""
    from gevent import monkey

    original: Callable[..., Any] = monkey.get_original(module, name)
    return original


@cache
def _cpu_slot() -> BoundedSemaphore:
    """Held by the one piece of CPU-bound work that runs in a thread."""
    from gevent.lock import BoundedSemaphore

    return BoundedSemaphore(1)


def _end_hub_of_thread() -> None:
    """End the hub that a socket, a lock or a sleep of gevent has made in this thread.

    While there is one, gevent's `os.close` leaves the closing to its loop, which never runs.
    """
    from gevent._hub_local import get_hub_if_exists

    hub: Any = get_hub_if_exists()
    if hub is not None:
        hub.loop.run(nowait=True)  # closes what it was left
        hub.destroy(destroy_loop=True)


def run_cpu_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for CPU-bound work: one piece of it at a time.

    Thread and hub take turns with the interpreter; several threads would delay the hub
    longer. The garbage collector takes no turns, and scans the whole memory when many objects are
    made at once, so it is disabled meanwhile.
    """
    if _has_no_hub():
        return function(*args, **kwargs)

    def work() -> T:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            if was_enabled:
                gc.enable()

    with _cpu_slot():
        return run_in_thread(work)


class TimeSlicer:
    """Lets a long loop yield to other greenlets after every SLICE seconds."""

    def __init__(self) -> None:
        self._since = perf_counter()

    def step(self) -> None:
        """Yield if the slice is over; to be called once in each round of the loop."""
        if perf_counter() - self._since > SLICE:
            yield_to_loop()
            self._since = perf_counter()


def yielding(items: Iterable[T]) -> Iterator[T]:
    """The same items, yielding to other greenlets in between.

    Sending them does not yield by itself, as long as the socket's buffer takes them.
    """
    slicer = TimeSlicer()
    for item in items:
        yield item
        slicer.step()


class IdleQueue:
    """Runs work that can wait, one piece at a time, while the loop has nothing else to do."""

    def __init__(self) -> None:
        from gevent.lock import BoundedSemaphore

        self.lock = BoundedSemaphore(1)
        self.slice_start = 0.0
        """When the current slice began, by `perf_counter`."""

    def slot(self) -> IdleSlot:
        """A context manager to hold for a short piece of work, and never while blocking."""
        return IdleSlot(self)


class IdleSlot:
    """The right to work in idle time; see `IdleQueue.slot`."""

    def __init__(self, queue: IdleQueue) -> None:
        self._queue = queue
        self._held = False

    def __enter__(self) -> Self:
        try:
            self._acquire()
        except BaseException:  # such as a kill while it waits: the next in the queue must run
            self._release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._release()

    def step(self) -> None:
        """In the middle of longer work: if the slice is over, let others run first."""
        if perf_counter() - self._queue.slice_start > IDLE_SLICE:
            import gevent

            self._release()
            gevent.sleep(0)  # wakes the next greenlet that waits for the slot, which comes first
            self._acquire()

    def _acquire(self) -> None:
        self._queue.lock.acquire()
        self._held = True
        if perf_counter() - self._queue.slice_start > IDLE_SLICE:
            wait_until_idle()
            self._queue.slice_start = perf_counter()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._queue.lock.release()
