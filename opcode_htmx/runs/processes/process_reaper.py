"""End all processes of a run: SIGTERM, then SIGSTOP, so that none escapes, then SIGKILL.

Knows the processes that the monitor finds, and nothing of how a Claude is stopped.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import gevent

from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, yield_to_loop
from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.processes import process_table

if TYPE_CHECKING:
    from opcode_htmx.runs.processes.process_monitor import ProcessMonitor

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
"""How long a sweep may take by default."""
GRACE_SECONDS = 0.5
"""How long the processes that Claude has left may take to end after SIGTERM."""
GRACE_SHARE = 0.4
"""Share of the time of a sweep for that; the rest is for processes that ignore SIGTERM."""
POLL_SECONDS = 0.02
DYING_SECONDS = 0.005
"""Between SIGKILL and the check whether the processes are gone."""


def reap_process_tree(monitor: ProcessMonitor, run_id: str, within: float) -> bool:
    """End all live processes of a run, within so many seconds; return whether none is left.

    First with SIGTERM, then with SIGKILL.
    """
    deadline = time.monotonic() + within
    grace = min(GRACE_SECONDS, GRACE_SHARE * within)
    grace_ends: float | None = None
    left: set[ProcessKey] = set()
    while True:
        try:
            found = monitor.family(run_id) or monitor.seen(run_id, time.monotonic())
            if not found and not monitor.is_unsure():
                monitor.untrack(run_id)
                return True
            if grace_ends is None:  # on a busy machine the snapshot alone may have taken as long
                grace_ends = min(time.monotonic() + grace, deadline - grace)
            _terminate(monitor, run_id, grace_ends)
            left = _kill(monitor, run_id, deadline)
        except OSError as error:  # no file descriptor left, for example
            log.warning("could not read the processes of run %s: %s", run_id, error)
            gevent.sleep(POLL_SECONDS)
        if time.monotonic() >= deadline:
            log.warning("processes of run %s may be left: %s", run_id, [key.pid for key in left])
            return False


def _terminate(monitor: ProcessMonitor, run_id: str, until: float) -> None:
    """Send SIGTERM until a time, or once if that has passed: none is killed without it."""
    signalled: set[ProcessKey] = set()
    checked_at = float("-inf")  # a process found a moment ago needs no other check
    while True:
        new = monitor.seen(run_id, checked_at) - signalled
        signalled |= new
        _signal(new, signal.SIGTERM)
        gevent.sleep(POLL_SECONDS)
        if time.monotonic() >= until or not any(map(process_table.is_alive, signalled)):
            return
        checked_at = time.monotonic() - POLL_SECONDS / 2


def _kill(monitor: ProcessMonitor, run_id: str, deadline: float) -> set[ProcessKey]:
    """Stop them all, so that none can start another one, then kill them; return those left."""
    stopped: set[ProcessKey] = set()
    stopped_at = float("-inf")
    while new := monitor.seen(run_id, stopped_at) - stopped:
        stopped |= new
        _signal(new, signal.SIGSTOP)
        if (stopped_at := time.monotonic()) >= deadline:
            break
        yield_to_loop()  # so that concurrent sweeps share the next snapshot
    _signal(stopped, signal.SIGKILL)
    while left := set(filter(process_table.is_alive, stopped)):
        if time.monotonic() >= deadline:
            break
        gevent.sleep(DYING_SECONDS)
    return left


def _signal(keys: Iterable[ProcessKey], number: signal.Signals) -> None:
    slicer = TimeSlicer()
    for key in keys:
        process_table.send(key, number)
        slicer.step()
