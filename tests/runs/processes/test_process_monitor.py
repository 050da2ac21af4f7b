"""The process monitor: the live processes of each run, found without blocking the event loop."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from gevent import subprocess

from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.processes import claude_process, process_reaper, process_table, usage
from opcode_htmx.runs.processes import process_monitor as monitor_module
from opcode_htmx.runs.processes.claude_process import ClaudeProcess
from opcode_htmx.runs.processes.orphans import NoOrphans, Orphans
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_table import Row, RunTag, RunTagCache
from tests.support.cli.supervision import until

RUN = uuid.uuid4().hex  # other tests, at the same time, see these processes too
SLEEP = ("sleep", "60")

Start = Callable[..., ClaudeProcess]
Stray = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> ProcessMonitor:
    """A monitor that remembers nothing of other tests."""
    monitor = ProcessMonitor()
    monkeypatch.setattr(claude_process, "MONITOR", monitor)
    return monitor


@pytest.fixture
def start(tmp_path: Path, monitor: ProcessMonitor) -> Iterator[Start]:
    """Starts processes as runs are started, and ends them."""
    started: list[ClaudeProcess] = []

    def start(*argv: str, run_id: str = RUN) -> ClaudeProcess:
        folder = RunFolder.create(tmp_path / f"runs-{len(started)}", run_id)
        started.append(
            claude_process.spawn(argv or SLEEP, tmp_path, {"PATH": os.defpath}, folder, run_id)
        )
        return started[-1]

    yield start
    for run_id in {each._run_id for each in started}:
        assert monitor.sweep(run_id, 5.0)
    for each in started:
        each.wait()


@pytest.fixture
def stray() -> Iterator[Stray]:
    """Starts processes that no run has started, with an environment of their own."""
    started: list[subprocess.Popen[bytes]] = []

    def stray(*argv: str, **environment: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            argv or SLEEP, env={"PATH": os.defpath, **environment}, start_new_session=True
        )
        started.append(child)
        return child

    yield stray
    for each in started:
        each.kill()
        each.wait()


# Identity -------------------------------------------------------------------------------------


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


# Whose it is ----------------------------------------------------------------------------------


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


# Pictures -------------------------------------------------------------------------------------


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
        start("sh", "-c", "trap '' TERM; sleep 60 & sleep 60 & wait", run_id=run_id)
    until(lambda: all(len(monitor.family(run_id, 0.5)) == 3 for run_id in runs), "all are there")
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


# Figures --------------------------------------------------------------------------------------


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


# Orphans --------------------------------------------------------------------------------------


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "state" / "runs"


def ended(folder: RunFolder) -> dict[str, Any]:
    return {"outcome": "completed", "at": 1.0, "cause": "", "exit_status": 0, "history_end": 0}


def recorded(runs_dir: Path, run_id: str, **changes: object) -> RunFolder:
    """A run folder whose record says that it has ended."""
    folder = RunFolder.create(runs_dir, run_id)
    record = {
        "version": 1,
        "id": run_id,
        "session_id": "s",
        "project_path": "/",
        "argv": [],
        "created_at": 1.0,
        "history_start": 0,
        "end": ended(folder),
        **changes,
    }
    folder.record_path.write_text(json.dumps(record))
    return folder


def marks_of(folder: RunFolder, run_id: str = "") -> dict[str, str]:
    return {
        process_table.MARK: run_id or folder.path.name,
        process_table.FOLDER_MARK: str(folder.path),
    }


def test_leftovers_of_an_ended_run_are_found_and_ended(
    monitor: ProcessMonitor, runs_dir: Path, stray: Stray
) -> None:
    child = stray(**marks_of(recorded(runs_dir, RUN)))
    orphans = Orphans(monitor, runs_dir, tuple)
    until(lambda: [o.command for left in orphans.found() for o in left.processes], "it is found")
    (left,) = until(orphans.found, "it is found")
    assert (left.run_id, [orphan.pid for orphan in left.processes]) == (RUN, [child.pid])
    assert abs(left.at - time.time()) < 30
    orphans.end(RUN)
    assert child.wait() == -signal.SIGTERM
    with pytest.raises(NoOrphans):
        orphans.end(RUN)


@pytest.mark.parametrize("late", [1.1 * process_reaper.GRACE_SHARE, 0.9, 1.1])
def test_process_found_late_gets_sigterm_before_sigkill(
    monitor: ProcessMonitor,
    runs_dir: Path,
    stray: Stray,
    monkeypatch: pytest.MonkeyPatch,
    late: float,
) -> None:
    child = stray(**marks_of(recorded(runs_dir, RUN)))
    until(lambda: monitor.family(RUN), "it is found")
    look = monitor.family

    def slow(*arguments: Any) -> list[Row]:
        time.sleep(late)  # of the second that the sweep has
        return look(*arguments)

    monkeypatch.setattr(monitor, "family", slow)
    monitor.sweep(RUN, 1.0)
    assert child.wait() == -signal.SIGTERM


def test_leftovers_of_a_removed_run_are_found(
    monitor: ProcessMonitor, runs_dir: Path, stray: Stray
) -> None:
    stray(**marks_of(RunFolder(runs_dir / RUN)))
    assert until(Orphans(monitor, runs_dir, tuple).found, "it is found")


def test_only_runs_ended_by_this_server_have_orphans(
    monitor: ProcessMonitor, runs_dir: Path, tmp_path: Path, stray: Stray
) -> None:
    ended, elsewhere, lives, begun, newer, one, another, lost = (uuid.uuid4().hex for _ in range(8))
    here = stray(**marks_of(recorded(runs_dir, ended)))
    others = {
        "of another state folder": marks_of(recorded(tmp_path / "other" / "runs", elsewhere)),
        "of a run that lives": marks_of(recorded(runs_dir, lives)),
        "of a run that another worker has begun": marks_of(recorded(runs_dir, begun, end=None)),
        "of a run whose record is not readable": marks_of(recorded(runs_dir, newer, version=99)),
        "of one that says two things": marks_of(recorded(runs_dir, one), another),
        "of nobody who says where": {process_table.MARK: lost},
    }
    strangers = {what: stray(**marks) for what, marks in others.items()}
    orphans = Orphans(monitor, runs_dir, lambda: {lives})
    until(
        lambda: (
            {child.pid for child in (here, *strangers.values())}
            <= {row.pid for family in monitor.families(0.0).values() for row in family.rows}
        ),
        "all are there",
    )
    assert [left.run_id for left in orphans.found()] == [ended]
    orphans.end_all()
    assert here.wait() == -signal.SIGTERM
    assert [what for what, child in strangers.items() if child.poll() is not None] == []
