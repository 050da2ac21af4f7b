"""Process snapshots: shared by callers, and of no cost to the loop."""

from __future__ import annotations

import time
import uuid

import gevent
import pytest

from opcode_htmx.runs.processes import process_monitor as monitor_module
from opcode_htmx.runs.processes import process_table
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from tests.runs.processes.monitor.processes import RUN, Start
from tests.support.cli.supervision import until


def test_concurrent_callers_share_one_process_snapshot(
    monitor: ProcessMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    pids = process_table.pids

    def counted() -> list[int]:
        looked.append(time.monotonic())
        return pids()

    monkeypatch.setattr(process_table, "pids", counted)
    gevent.joinall([gevent.spawn(monitor.family, RUN) for _ in range(50)], raise_error=True)
    assert len(looked) <= 2  # callers that arrived meanwhile get a newer one


def test_recent_snapshot_is_reused_within_max_age(
    monitor: ProcessMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor.family(RUN)
    monkeypatch.setattr(process_table, "pids", lambda: pytest.fail("it was looked at again"))
    assert monitor.family(RUN, max_age=60.0) == []


def test_fifty_simultaneous_ends_do_not_block_the_loop(
    monitor: ProcessMonitor, start: Start
) -> None:
    runs = [uuid.uuid4().hex for _ in range(50)]
    for run_id in runs:
        start("sh", "-c", "trap '' TERM; sleep 60 & wait", run_id=run_id)
    until(lambda: all(len(monitor.family(run_id, 0.5)) == 2 for run_id in runs), "all are there")
    held = [0.0]
    over = False

    def tick() -> None:
        # what this thread has worked, so that a busy machine does not count
        while not over:
            before = time.thread_time()
            gevent.sleep(0)
            held[0] = max(held[0], time.thread_time() - before)

    ticking = gevent.spawn(tick)
    sweeps = [gevent.spawn(monitor.sweep, run_id, 5.0) for run_id in runs]
    gevent.joinall(sweeps, raise_error=True)
    over = True
    ticking.join()
    assert all(each.get() for each in sweeps)
    print("HELD", held[0])
    assert held[0] < 0.05


def test_unused_process_monitor_stops_its_greenlet(
    monitor: ProcessMonitor, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "EVERY_SECONDS", 0.02)
    claude = start()
    watch = monitor._watch
    assert watch is not None
    gevent.sleep(0.1)
    assert not watch.dead
    claude.kill()
    claude.wait()
    until(lambda: watch.dead, "it looks no longer")
    assert start().alive()
    assert monitor._watch is not watch
