"""Claude's processes: identified by pid and start time, and ended with all their descendants."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gevent
import psutil
import pytest

from opcode_htmx.lib.process_identity import ProcessIdentity
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.processes import claude_process, process_table
from opcode_htmx.runs.processes.claude_process import ClaudeProcess
from opcode_htmx.runs.processes.process_table import Row
from tests.support.cli.supervision import until

RUN, OTHER_RUN = uuid.uuid4().hex, uuid.uuid4().hex  # others test at the same time
ENVIRONMENT = {"PATH": os.defpath}
PLATFORM = vars(psutil)["_psplatform"]
"""The source of psutil's process and boot times."""

START_AND_SLEEP = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""
START_AND_EXIT = START_AND_SLEEP.replace("time.sleep(600)", "")
IGNORE_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
# the child's parent is no libev, which collects every child that it can
LEAVE_A_ZOMBIE = """
import os, time
child = os.fork()
if child:
    print(child, flush=True)
    time.sleep(600)
"""

Start = Callable[..., ClaudeProcess]


def kill(family: Iterable[Row]) -> None:
    for row in family:
        process_table.send(row.key, signal.SIGKILL)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes under the mark of a run, and ends them."""
    started: list[ClaudeProcess] = []

    def start(*argv: str, run_id: str = RUN) -> ClaudeProcess:
        folder = RunFolder.create(tmp_path / f"runs-{len(started)}", run_id)
        started.append(claude_process.spawn(argv, tmp_path, ENVIRONMENT, folder, run_id))
        return started[-1]

    yield start
    for run_id in (RUN, OTHER_RUN):
        kill(claude_process.MONITOR.family(run_id))
    for each in started:
        each.kill()
        each.wait()


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


def output(tmp_path: Path, number: int = 0) -> str:
    """The first line that a process has written."""
    path = tmp_path / f"runs-{number}" / RUN / "out.ndjson"
    return until(lambda: path.read_text().partition("\n")[0], "the process writes a line")


def pids(processes: list[Row]) -> set[int]:
    return {each.pid for each in processes}


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# Identity ------------------------------------------------------------------------------------


def test_a_process_is_known_by_its_pid_and_start_time(start: Start) -> None:
    identity = start("sleep", "600").identity
    assert identity.started_at == psutil.Process(identity.pid).create_time()


def test_a_process_is_adopted_by_its_identity(start: Start) -> None:
    sleeper = start("sleep", "600")
    adopted = claude_process.adopt(sleeper.identity, RUN)
    assert adopted is not None
    assert adopted.alive()
    assert adopted.identity == sleeper.identity


@pytest.mark.parametrize("seconds", [-3600.0, -5.0, 5.0, 3600.0])
def test_a_process_with_another_start_time_is_not_adopted(start: Start, seconds: float) -> None:
    identity = start("sleep", "600").identity
    other = ProcessIdentity(identity.pid, identity.started_at + seconds)
    assert claude_process.adopt(other, RUN) is None


def test_a_process_of_another_run_is_not_adopted(start: Start) -> None:
    assert claude_process.adopt(start("sleep", "600", run_id=OTHER_RUN).identity, RUN) is None


def test_a_process_without_a_mark_is_not_adopted() -> None:
    me = psutil.Process()
    assert claude_process.adopt(ProcessIdentity(me.pid, me.create_time()), RUN) is None


def test_a_process_that_has_ended_is_not_adopted(start: Start) -> None:
    short = start("sleep", "600")
    short.kill()
    short.wait()
    assert claude_process.adopt(short.identity, RUN) is None


def test_a_zombie_counts_as_dead(start: Start, tmp_path: Path) -> None:
    start(*python(LEAVE_A_ZOMBIE))
    zombie = psutil.Process(int(output(tmp_path)))
    until(lambda: zombie.status() == psutil.STATUS_ZOMBIE, "it is a zombie")
    assert claude_process.adopt(ProcessIdentity(zombie.pid, zombie.create_time()), RUN) is None


def test_a_pid_that_another_process_has_got_is_not_signalled(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = start("sleep", "600")
    adopted = claude_process.adopt(sleeper.identity, RUN)
    assert adopted is not None
    # A pid cannot be made to be used again in a test, so the process looks younger instead.
    monkeypatch.setattr(PLATFORM.Process, "create_time", lambda self, monotonic=False: 1e12)
    assert not adopted.alive()
    adopted.kill()
    monkeypatch.undo()
    gevent.sleep(0.1)
    assert sleeper.alive()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere psutil corrects the clock itself")
def test_clock_change_does_not_change_process_identity(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = start("sleep", "600")
    adopted = claude_process.adopt(own.identity, RUN)
    assert adopted is not None
    boot = psutil.boot_time()
    monkeypatch.setattr(PLATFORM, "boot_time", lambda: boot + 3600)
    assert abs(psutil.Process(own.identity.pid).create_time() - own.identity.started_at) > 3000
    assert adopted.alive()
    assert own.identity.pid in pids(own.family())
    adopted.terminate()
    assert own.wait() == -signal.SIGTERM


# Starting and waiting ------------------------------------------------------------------------


def test_the_exit_status_of_a_child_is_known(start: Start) -> None:
    assert start(*python("raise SystemExit(3)")).wait() == 3


def test_the_signal_that_ended_a_child_is_known(start: Start) -> None:
    sleeper = start("sleep", "600")
    sleeper.kill()
    assert sleeper.wait() == -signal.SIGKILL


def test_the_exit_status_of_an_adopted_process_is_not_known(start: Start) -> None:
    sleeper = start("sleep", "600")
    adopted = claude_process.adopt(sleeper.identity, RUN)
    assert adopted is not None
    waiting = gevent.spawn(adopted.wait)
    sleeper.terminate()
    assert waiting.get(timeout=20) is None
    assert not adopted.alive()


def test_a_signal_to_a_process_that_has_ended_does_nothing(start: Start) -> None:
    short = start("sleep", "600")
    short.kill()
    short.wait()
    short.terminate()
    short.kill()


def test_process_that_exits_at_once_is_a_failed_start(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(pid: int) -> psutil.Process:
        raise psutil.NoSuchProcess(pid)

    monkeypatch.setattr(psutil, "Process", gone)
    folder = RunFolder.create(tmp_path / "runs", RUN)
    argv = python("import sys; sys.exit('no licence')")
    with pytest.raises(ChildProcessError, match="ended at once with status 1: no licence"):
        claude_process.spawn(argv, tmp_path, ENVIRONMENT, folder, RUN)


def test_a_start_that_fails_leaves_no_descriptor_open(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "runs", RUN)
    before = psutil.Process().num_fds()
    for _ in range(10):
        with pytest.raises(FileNotFoundError):
            claude_process.spawn(["/no/such/claude"], tmp_path, ENVIRONMENT, folder, RUN)
    assert psutil.Process().num_fds() == before


def test_claude_keeps_its_own_stdin_open(start: Start) -> None:
    reader = start(*python("import sys; sys.stdin.read()"))
    gevent.sleep(0.2)
    assert reader.alive()


# Child processes -----------------------------------------------------------------------------


def test_a_grandchild_in_its_own_session_is_found_by_the_mark(start: Start, tmp_path: Path) -> None:
    start(*python(START_AND_EXIT, "sleep", "600")).wait()
    grandchild = int(output(tmp_path))
    assert os.getsid(grandchild) == grandchild
    until(lambda: pids(claude_process.MONITOR.family(RUN)) == {grandchild}, "it is found")


def test_only_the_processes_of_the_run_carry_its_mark(start: Start) -> None:
    mine = start("sleep", "600")
    start("sleep", "600", run_id=OTHER_RUN)
    assert pids(claude_process.MONITOR.family(RUN)) == {mine.identity.pid}


def test_process_tree_includes_descendants_without_the_tag(start: Start, tmp_path: Path) -> None:
    parent = start(*python(START_AND_SLEEP, "env", "-i", "sleep", "600"))
    child = int(output(tmp_path))
    until(lambda: psutil.Process(child).name() == "sleep", "env has become sleep")
    assert "OPCODE_RUN_ID" not in psutil.Process(child).environ()
    assert pids(parent.family()) == {parent.identity.pid, child}
    kill(parent.family())
    until(lambda: ended(child), "the child ends")


def test_sweep_ends_leftover_processes(start: Start, tmp_path: Path) -> None:
    start(*python(START_AND_EXIT, "sleep", "600")).wait()
    grandchild = int(output(tmp_path))
    claude_process.sweep(RUN)
    assert ended(grandchild)


def test_sweep_kills_processes_that_ignore_sigterm(start: Start, tmp_path: Path) -> None:
    start(*python(IGNORE_SIGTERM))
    assert output(tmp_path) == "deaf"
    claude_process.sweep(RUN)
    assert claude_process.MONITOR.family(RUN) == []


def test_the_sweep_leaves_other_runs_alone(start: Start) -> None:
    start("sleep", "600")
    other = start("sleep", "600", run_id=OTHER_RUN)
    claude_process.sweep(RUN)
    assert other.alive()
    assert claude_process.MONITOR.family(RUN) == []
