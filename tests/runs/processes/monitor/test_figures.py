"""Memory, CPU and number of the processes of a run."""

from __future__ import annotations

import sys

import gevent
import pytest

from opcode_htmx.runs.processes import process_table, usage
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_table import Row
from tests.runs.processes.monitor.processes import RUN, Start
from tests.support.cli.supervision import until


def test_the_memory_of_a_process_that_has_reused_a_pid_is_not_that_of_the_run(
    monitor: ProcessMonitor, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    until(lambda: monitor.memory().get(RUN, 0) > 0, "its memory is known")

    def of_another(pid: int) -> Row | None:
        row = read(pid)
        return row and row._replace(started=row.started + 1)

    read = process_table.read
    with monkeypatch.context() as reused:
        reused.setattr(process_table, "read", of_another)
        assert RUN not in monitor.memory()


def test_memory_cpu_and_processes_are_those_of_the_whole_family(
    monitor: ProcessMonitor, start: Start
) -> None:
    busy = "x = bytearray(64_000_000)\nwhile True: pass"
    start("sh", "-c", f"{sys.executable} -c '{busy}' & sleep 60")
    until(lambda: monitor.usages([RUN])[RUN].memory_bytes > 64_000_000, "it has taken its memory")
    until(lambda: monitor.usages([RUN])[RUN].cpu_percent > 3, "it is busy")
    found = monitor.usages([RUN])[RUN]
    assert found.processes == 3
    assert found.cpu_percent < 150
    monitor.sweep(RUN)
    assert monitor.usages([RUN])[RUN] == usage.Usage()


def test_sleeping_process_uses_no_cpu(monitor: ProcessMonitor, start: Start) -> None:
    start()
    monitor.family(RUN)
    gevent.sleep(usage.CPU_SECONDS + 0.1)

    def percent() -> float:
        monitor.family(RUN)
        return monitor.usages([RUN])[RUN].cpu_percent

    until(lambda: percent() < 2, "its start, a tick of the clock, is no longer counted")
