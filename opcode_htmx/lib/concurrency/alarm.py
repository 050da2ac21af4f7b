"""Wake a thread when something has lasted for too long, and never otherwise.

Armed and disarmed in each iteration of the event loop, so both have to be quick. With a timer of
the kernel's the thread sleeps all the time; a thread that looks by itself is woken twice for each
line that Claude writes to an idle server, which was a sixth of the line's CPU time.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

from gevent import monkey

_new_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")
_sleep: Callable[[float], None] = monkey.get_original("time", "sleep")


class Alarm(Protocol):
    """One thread arms and disarms it, another one waits."""

    def arm(self) -> None:
        """Ring once, after the time of the alarm from now."""

    def disarm(self) -> None:
        """Do not ring."""

    def wait(self) -> None:
        """Block the thread until it rings, or is closed."""

    def close(self) -> None:
        """End the wait; called once. The thread that waits calls `dispose` then."""

    def dispose(self) -> None:
        """Release its resources."""


def alarm(seconds: float) -> Alarm:
    """An alarm that rings after `seconds`."""
    if sys.platform == "linux":
        try:
            return TimerAlarm(seconds)
        except OSError:  # no descriptor left
            pass
    return PollingAlarm(seconds)


class PollingAlarm:
    """Looks whether it is due, where the kernel has no timers that can be waited for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: float | None = None
        self._is_parked = False
        self._is_closed = False
        self._wake = _new_lock()
        self._wake.acquire()

    def arm(self) -> None:
        self._due = perf_counter() + self._seconds
        self._unpark()

    def disarm(self) -> None:
        self._due = None

    def wait(self) -> None:
        while not self._is_closed:
            due = self._due
            if due is None:
                self._is_parked = True
                self._wake.acquire()
            elif (left := due - perf_counter()) > 0:
                _sleep(left)
            else:
                self._due = None
                return

    def close(self) -> None:
        self._is_closed = True
        self._unpark()

    def dispose(self) -> None:
        pass

    def _unpark(self) -> None:
        if self._is_parked:
            self._is_parked = False
            self._wake.release()


if sys.platform == "linux":
    _MONOTONIC, _CLOEXEC = 1, os.O_CLOEXEC

    class _Spec(ctypes.Structure):
        """`struct itimerspec`: an interval, which is not used, and a time from now."""

        _fields_ = (
            ("interval_seconds", ctypes.c_long),
            ("interval_nanoseconds", ctypes.c_long),
            ("seconds", ctypes.c_long),
            ("nanoseconds", ctypes.c_long),
        )

    # a PyDLL keeps the interpreter's lock: the calls do not block, and each release of it would
    # let another thread in
    _LIBC = ctypes.PyDLL(None, use_errno=True)
    _set_time = _LIBC.timerfd_settime

    def _spec(seconds: float) -> Any:
        whole = int(seconds)
        return ctypes.byref(_Spec(0, 0, whole, int((seconds - whole) * 1e9)))

    class TimerAlarm:
        """A timer of the kernel's (timerfd_create(2)), which the thread reads from."""

        def __init__(self, seconds: float) -> None:
            """Raises OSError."""
            self._file = _LIBC.timerfd_create(_MONOTONIC, _CLOEXEC)
            if self._file < 0:
                raise OSError(ctypes.get_errno(), "no timer")
            self._on, self._off, self._now = _spec(seconds), _spec(0), _spec(1e-9)

        def arm(self) -> None:
            _set_time(self._file, 0, self._on, None)

        def disarm(self) -> None:
            _set_time(self._file, 0, self._off, None)

        def wait(self) -> None:
            os.read(self._file, 8)

        def close(self) -> None:
            _set_time(self._file, 0, self._now, None)

        def dispose(self) -> None:
            os.close(self._file)
