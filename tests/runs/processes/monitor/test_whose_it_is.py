"""The process monitor finds the run that a process belongs to."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.processes import process_table
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_table import Row, RunTag, RunTagCache
from tests.runs.processes.monitor.processes import RUN, Start, Stray
from tests.support.cli.supervision import until


def test_process_that_drops_its_tag_stays_in_the_tree(
    monitor: ProcessMonitor, start: Start, tmp_path: Path
) -> None:
    """Its parent ends first, and no process of the run adopts it."""
    go = tmp_path / "go"
    script = f"until test -e {go}; do sleep 0.02; done; exec env -i sleep 60"
    claude = start("sh", "-c", f"setsid sh -c '{script}' & sleep 60")

    def script_itself() -> int | None:
        """Not the shell that it has just forked, which looks the same until it sleeps."""
        pids = {row.pid for row in monitor.family(RUN)} - {claude.identity.pid}
        scripts = (p for p in pids if process_table.command_line(p).startswith("sh -c until"))
        return next((pid for pid in scripts if os.getsid(pid) == pid), None)

    child = until(script_itself, "the script runs")
    claude.kill()
    go.touch()
    until(lambda: psutil.Process(child).environ() == {}, "its environment is clean")
    assert child in {row.pid for row in monitor.family(RUN)}
    assert monitor.sweep(RUN)


def test_process_in_the_middle_of_exec_is_found(
    stray: Stray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a process shows no environment for a moment, and its parent may have gone already."""
    blank = 3

    def environment(pid: int) -> bytes | None:
        nonlocal blank
        if pid == child.pid and blank:
            blank -= 1
            return b""
        return process_table._environment(pid)

    monitor = ProcessMonitor()
    monitor._tags = RunTagCache(environment)
    child = stray(**{process_table.MARK: RUN})
    monkeypatch.setattr(process_table, "_EXEC_SECONDS", 60.0)
    assert monitor.sweep(RUN, 5.0)
    assert blank == 0
    assert child.poll() is not None


def test_process_between_fork_and_exec_is_read_again() -> None:
    """A young process shows its parent's environment; it is read again."""
    shown = [b"A=1\0", f"A=1\0{process_table.MARK}={RUN}\0".encode()]
    marks = RunTagCache(lambda pid: shown[0])
    me = process_table.key_of(os.getpid())
    assert me is not None
    now = time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")
    young = ProcessKey(me.pid, now)
    assert marks.of(young) is None
    shown.pop(0)
    assert marks.of(young) == RunTag(RUN, "")
    shown[0] = b""
    assert marks.of(young) == RunTag(RUN, "")  # once marked, it stays so


def test_an_environment_is_read_once() -> None:
    asked: list[int] = []

    def environment(pid: int) -> bytes:
        asked.append(pid)
        return b""

    marks = RunTagCache(environment)
    old = ProcessKey(os.getpid(), 0.0)
    for _ in range(3):
        assert marks.of(old) is None
    assert asked == [os.getpid()]


def test_server_process_belongs_to_no_run(
    monitor: ProcessMonitor, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that was started from within a run does not end itself with the run."""
    start()
    monkeypatch.setattr(
        RunTagCache, "of", lambda self, key: RunTag(RUN, "") if key.pid == os.getpid() else None
    )
    assert os.getpid() not in {row.pid for row in monitor.family(RUN)}


@pytest.mark.parametrize("tag", [None, RunTag("0" * 32, "")], ids=["of none", "of another server"])
def test_the_time_for_a_chain_of_processes_grows_with_its_length_only(
    monitor: ProcessMonitor, monkeypatch: pytest.MonkeyPatch, tag: RunTag | None
) -> None:
    """As a command makes one that calls itself, such as `git fetch` with a remote in a circle."""
    length, looked = 2000, list[int]()

    def look(self: RunTagCache, key: ProcessKey) -> RunTag | None:
        looked.append(key.pid)
        return tag

    rows = {pid: Row(pid, float(pid), pid - 1, 1, 0, 0.0) for pid in range(1, length + 1)}
    monkeypatch.setattr(process_table, "pids", lambda: list(rows))
    monkeypatch.setattr(process_table, "read", rows.get)
    monkeypatch.setattr(RunTagCache, "of", look)
    assert len(monitor.others()) == (0 if tag else length)
    assert len(looked) < 5 * length
