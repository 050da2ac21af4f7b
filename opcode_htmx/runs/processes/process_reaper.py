"""End all that a run has started: asked first, then held, so that nobody escapes, and killed.

Knows whom the census tells of, and nothing of how a Claude is stopped.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import gevent

from opcode_htmx.lib.cooperative import TimeSlicer, yield_to_loop
from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.processes import process_table

if TYPE_CHECKING:
    from opcode_htmx.runs.processes.process_monitor import ProcessMonitor

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
"""How long a sweep may take that nobody has given a time."""
GRACE_SECONDS = 0.5
"""How long what Claude has left behind may take to follow SIGTERM."""
GRACE_SHARE = 0.4
"""Of the time that a sweep has: the rest is for those that do not follow."""
POLL_SECONDS = 0.02
DYING_SECONDS = 0.005
"""Between a kill and the look whether it has done its work."""


def reap_process_tree(census: ProcessMonitor, run_id: str, within: float) -> bool:
    """End all that a run has started and that is alive, within so many seconds.

    First with SIGTERM, then with SIGKILL; whether nothing is left.
    """
    deadline = time.monotonic() + within
    grace = min(GRACE_SECONDS, GRACE_SHARE * within)
    grace_ends: float | None = None
    left: set[ProcessKey] = set()
    while True:
        try:
            found = census.family(run_id) or census.seen(run_id, time.monotonic())
            if not found and not census.is_unsure():
                census.untrack(run_id)
                return True
            if grace_ends is None:  # on a busy machine the look alone may have taken as long
                grace_ends = min(time.monotonic() + grace, deadline - grace)
            _ask_to_end(census, run_id, grace_ends)
            left = _kill(census, run_id, deadline)
        except OSError as error:  # no descriptor left, say
            log.warning("the processes of run %s cannot be looked at: %s", run_id, error)
            gevent.sleep(POLL_SECONDS)
        if time.monotonic() >= deadline:
            log.warning("run %s may have left processes: %s", run_id, [key.pid for key in left])
            return False


def _ask_to_end(census: ProcessMonitor, run_id: str, until: float) -> None:
    """Ask them until a time, or once if that has passed: nobody is killed who was not asked."""
    asked: set[ProcessKey] = set()
    looked_at = float("-inf")  # who was found a moment ago needs no other look
    while True:
        new = census.seen(run_id, looked_at) - asked
        asked |= new
        _signal(new, signal.SIGTERM)
        gevent.sleep(POLL_SECONDS)
        if time.monotonic() >= until or not any(map(process_table.is_alive, asked)):
            return
        looked_at = time.monotonic() - POLL_SECONDS / 2


def _kill(census: ProcessMonitor, run_id: str, deadline: float) -> set[ProcessKey]:
    """Hold them all, so that none can start another one, and then kill them; who is left."""
    held: set[ProcessKey] = set()
    stopped_at = float("-inf")
    while new := census.seen(run_id, stopped_at) - held:
        held |= new
        _signal(new, signal.SIGSTOP)
        if (stopped_at := time.monotonic()) >= deadline:
            break
        yield_to_loop()  # so that all who sweep share the next look
    _signal(held, signal.SIGKILL)
    while left := set(filter(process_table.is_alive, held)):
        if time.monotonic() >= deadline:
            break
        gevent.sleep(DYING_SECONDS)
    return left


def _signal(keys: Iterable[ProcessKey], number: signal.Signals) -> None:
    pace = TimeSlicer()
    for key in keys:
        process_table.send(key, number)
        pace.step()
