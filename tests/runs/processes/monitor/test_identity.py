"""The process monitor signals no process that only has the pid of another."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.processes import process_table
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_table import RunTag, RunTagCache
from tests.runs.processes.monitor.processes import RUN, Start, Stray
from tests.support.cli.supervision import until


def test_a_pid_that_another_process_has_got_is_not_signalled(stray: Stray) -> None:
    child = stray()
    key = process_table.key_of(child.pid)
    assert key is not None
    assert not process_table.send(ProcessKey(key.pid, key.started - 1), signal.SIGKILL)
    assert not process_table.send(ProcessKey(key.pid, key.started + 1), signal.SIGKILL)
    assert child.poll() is None
    assert process_table.send(key, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


def test_the_sweep_does_not_hit_a_pid_that_was_used_again(
    monitor: ProcessMonitor, stray: Stray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test cannot force the reuse of a pid: the recorded start time is older instead."""
    child = stray()
    before = process_table.key_of(child.pid)
    assert before is not None
    with monkeypatch.context() as patch:
        patch.setattr(process_table, "key_of", lambda pid: ProcessKey(pid, before.started - 500))
        monitor.track(RUN, child.pid)
    assert monitor.family(RUN) == []
    assert monitor.sweep(RUN)
    assert child.poll() is None


def test_process_younger_than_its_child_is_no_parent(
    monitor: ProcessMonitor, start: Start, stray: Stray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has got the pid of the real parent, which has gone."""
    claude, child = start(), stray()
    read = process_table.read

    def adopted_by_a_younger_one(pid: int) -> process_table.Row | None:
        row = read(pid)
        if row and pid == child.pid:
            return row._replace(parent=claude.identity.pid, started=row.started - 10_000)
        return row

    monkeypatch.setattr(process_table, "read", adopted_by_a_younger_one)
    assert {row.pid for row in monitor.family(RUN)} == {claude.identity.pid}


def test_a_signal_needs_no_descriptor_to_be_free(
    stray: Stray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(pid: int) -> int:
        raise OSError(24, "Too many open files")

    child = stray()
    key = process_table.key_of(child.pid)
    assert key is not None
    monkeypatch.setattr(os, "pidfd_open", none_left, raising=False)
    assert process_table.send(key, signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM
    assert not process_table.send(key, signal.SIGTERM)


def test_unreadable_process_does_not_count_as_ended(
    monitor: ProcessMonitor, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude = start()

    def none_left(*_: object) -> bytes:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(process_table, "stat_fields", none_left)
        assert not monitor.sweep(RUN, 0.1)
    assert claude.alive()
    assert monitor.sweep(RUN)
    assert not claude.alive()


@pytest.mark.skipif(sys.platform != "linux", reason="it compares the two ways that Linux has")
def test_psutil_and_proc_agree(stray: Stray, monkeypatch: pytest.MonkeyPatch) -> None:
    child = stray("sleep", "60", **{process_table.MARK: RUN, process_table.FOLDER_MARK: "/r"})
    row = process_table.read(child.pid)
    assert row is not None
    until(lambda: RunTagCache().of(row.key) == RunTag(RUN, "/r"), "it has become sleep")
    began = process_table.started_at(row.key)
    monkeypatch.setattr(process_table, "HAS_PROC", False)
    other = process_table.read(child.pid)
    assert other is not None
    assert (other.pid, other.parent, other.group) == (row.pid, row.parent, row.group)
    assert abs(process_table.started_at(other.key) - began) < 0.1
    assert RunTagCache().of(other.key) == RunTag(RUN, "/r")
    assert child.pid in process_table.pids()
    assert process_table.send(other.key, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert process_table.read(child.pid) is None


def test_a_family_is_found_and_ended_where_there_is_no_proc(
    monitor: ProcessMonitor, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_table, "HAS_PROC", False)
    start("sh", "-c", "env -i sleep 60 & setsid sleep 60 & sleep 60")
    until(lambda: len(monitor.family(RUN)) == 4, "all are there")
    assert monitor.sweep(RUN, 5.0)
    assert monitor.family(RUN) == []
