"""The limits of a run: a warning first, then enforcement with a recorded cause."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.following import followed_run
from opcode_htmx.runs.following.followed_run import error_lines
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome, RunEnd
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.policies import limit_monitor
from opcode_htmx.runs.policies.limit_monitor import LimitMonitor, Limits
from opcode_htmx.runs.processes import claude_process
from tests.support.cli.supervision import (
    BY,
    Supervision,
    idle,
    new_id,
    record_on_disk,
    steps,
    until,
)
from tests.support.environment import Sandbox


@pytest.fixture
def supervision(supervision: Supervision, monkeypatch: pytest.MonkeyPatch) -> Supervision:
    monkeypatch.setattr(limit_monitor, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(limit_monitor, "MEMORY_CHECK_SECONDS", 0.05)
    return supervision


def end_of(run: Run) -> RunEnd:
    assert run.join(20)
    assert run.record.end
    return run.record.end


def let_pass(seconds: float) -> None:
    """Let the greenlets run meanwhile: the test is that nothing happens."""
    began = time.monotonic()
    until(lambda: time.monotonic() - began > seconds, "time passes")


def for_ever(sandbox: Sandbox) -> str:
    return str(sandbox.home / "never")


def test_a_turn_that_takes_too_long_times_out(supervision: Supervision, sandbox: Sandbox) -> None:
    supervision.restart(limits=Limits(run_timeout=0.5))
    run = supervision.prompt(steps(["stderr", "Hm."], ["wait", for_ever(sandbox)]))
    end = end_of(run)
    assert end.outcome is Outcome.TIMED_OUT
    assert "0.5 seconds without an end of its turn (OPCODE_RUN_TIMEOUT)" in end.cause
    assert end.stderr == ("Hm.",)
    assert record_on_disk(run)["end"]["outcome"] == "timed out"
    assert not supervision.marked_processes()


@pytest.fixture
def pass_minutes(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], None]:
    """Lets time pass, by the clock of the limits of a turn to an hour, until they are checked."""
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(limit_monitor, "time", clock)
    monkeypatch.setattr(limit_monitor, "LONGEST_STEP", 3600.0)
    monitor = supervision.restart(limits=Limits(run_timeout=3600.0))._limit_monitor

    def pass_(minutes: float) -> None:
        now[0] += 60 * minutes
        until(lambda: monitor._checked_at == now[0], "the limits are checked")

    return pass_


def test_each_turn_has_the_whole_time(
    supervision: Supervision, sandbox: Sandbox, pass_minutes: Callable[[float], None]
) -> None:
    session = new_id()
    for number in range(3):
        gate = sandbox.home / f"gate{number}"
        run = supervision.prompt(steps(["wait", str(gate)]), session)
        until(lambda run=run: run.phase is Phase.WORKING, "it works")  # type: ignore[misc]
        pass_minutes(1)  # the first check of a turn counts nothing
        pass_minutes(50)
        gate.touch()
        idle(run)
    assert run.live


def test_waiting_for_a_person_does_not_count_as_work(
    supervision: Supervision, pass_minutes: Callable[[float], None]
) -> None:
    run = supervision.prompt(steps(["ask", "a1"], ["text", "thanks"]))
    until(lambda: run.phase is Phase.WAITING, "it asks")
    for _ in range(3):
        pass_minutes(50)
    assert run.phase is Phase.WAITING
    run.allow("a1", by=BY)
    idle(run)


def test_a_run_that_begins_to_work_by_lines_seen_before_they_are_read_times_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its files have changed, it is looked at, the lines are read, and then it writes no more."""
    ended: list[Outcome] = []
    monkeypatch.setattr(limit_monitor, "_end", lambda run, outcome, cause: ended.append(outcome))
    monkeypatch.setattr(limit_monitor, "LONGEST_STEP", 1.0)
    run: Any = SimpleNamespace(
        id="run", changes=1, phase=Phase.IDLE, resting=True, idle_since=time.monotonic(),
        state=SimpleNamespace(turns=1),
    )  # fmt: skip
    monitor = LimitMonitor(lambda: [run], Limits(run_timeout=0.02), dict)
    monitor.check()
    run.phase, run.resting = Phase.WORKING, False
    for _ in range(3):
        let_pass(0.02)
        monitor.check()
    assert Outcome.TIMED_OUT in ended


def test_idle_time_is_not_that_of_a_clock_that_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(limit_monitor, "_end", lambda run, outcome, cause: ended.append(cause))
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=lambda: 1_000_000 * now[0])
    for module in (limit_monitor, followed_run):
        monkeypatch.setattr(module, "time", clock)
    record: Any = SimpleNamespace(id="run", end=None, launched=True)
    codec: Any = None
    run = Run(RunFolder(tmp_path), record, Broadcast(), codec)
    run.state.phase = Phase.IDLE
    monitor = LimitMonitor(lambda: [run], Limits(idle_timeout=60), dict)
    for passed in (1, 58, 1):
        now[0] += passed
        monitor.check()
        assert not ended
    now[0] += 1
    monitor.check()
    assert ended


def test_without_a_limit_nothing_is_ended(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["lines", 2000])))
    let_pass(0.3)
    assert run.live
    assert run.warnings == {}


def test_a_run_that_writes_too_much_is_warned_of_and_stopped(
    supervision: Supervision, sandbox: Sandbox
) -> None:
    supervision.restart(limits=Limits(output=1_000_000))
    gate = sandbox.home / "gate"
    run = supervision.prompt(
        steps(["big", 850_000], ["wait", str(gate)], ["big", 200_000], ["wait", for_ever(sandbox)])
    )
    sentence = until(lambda: run.warnings.get("output", ""), "it is warned of")
    assert "85% of the 1.0 MB that this server keeps of one run (OPCODE_MAX_OUTPUT)" in sentence
    gate.touch()
    end = end_of(run)
    assert end.outcome is Outcome.FAILED
    assert end.cause == (
        "Stopped: what Claude wrote has reached the 1.0 MB that this server keeps of one run "
        "(OPCODE_MAX_OUTPUT)."
    )


def test_stderr_counts_as_output(supervision: Supervision, sandbox: Sandbox) -> None:
    supervision.restart(limits=Limits(output=100_000))
    run = supervision.prompt(steps(["stderr", "x" * 120_000], ["wait", for_ever(sandbox)]))
    assert "OPCODE_MAX_OUTPUT" in end_of(run).cause


def test_run_below_the_output_limit_is_not_stopped(supervision: Supervision) -> None:
    supervision.restart(limits=Limits(output=1_000_000))
    run = idle(supervision.prompt(steps(["big", 700_000])))
    let_pass(0.3)
    assert run.live
    assert not run.warnings.get("output")


def test_memory_is_warned_of_until_it_is_less_and_then_forgotten(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = [3_400_000_000]
    supervision.restart(limits=Limits(memory_warning=3e9, memory=5e9))
    run = idle(supervision.prompt("Hello"))
    monkeypatch.setattr(claude_process, "memory", lambda: {run.id: used[0]})
    sentence = until(lambda: run.warnings.get("memory", ""), "it is warned of")
    assert "more than 3.0 GB of memory. At 5.0 GB they are stopped" in sentence
    used[0] = 2_900_000_000
    until(lambda: not run.warnings["memory"], "it is forgotten")
    used[0] = 5_000_000_000
    end = end_of(run)
    assert end.outcome is Outcome.FAILED
    assert "used 5.0 GB of memory; 5.0 GB are allowed (OPCODE_MEMORY_LIMIT)" in end.cause


def test_memory_includes_claude_and_its_children(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["grandchild"])))
    assert run.record.pid
    claude = psutil.Process(run.record.pid)

    def is_theirs() -> bool:
        both = claude.memory_info().rss + sum(each.memory_info().rss for each in claude.children())
        usage = claude_process.MONITOR.usages([run.id])[run.id]
        return usage.processes == 2 and abs(usage.memory_bytes - both) < 1_000_000

    until(is_theirs, "the process monitor has seen both")


def test_a_share_of_memory_is_one_of_the_machine(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = idle(supervision.prompt("Hello")).id  # else it may be stopped before it is prompted
    monkeypatch.setattr(limit_monitor, "machine_memory", lambda: 10_000_000)
    supervision.restart(limits=Limits(memory=0.5))  # a Python takes more than 5 MB
    assert "5.0 MB are allowed" in end_of(supervision.supervisor.get(run_id)).cause


def test_the_memory_of_a_container_is_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = psutil.virtual_memory().total
    for text, memory in (("1000000", 1_000_000), ("max", whole), (str(10 * whole), whole)):
        (tmp_path / "memory.max").write_text(text)
        monkeypatch.setattr(limit_monitor, "CGROUP_MEMORY", tmp_path / "memory.max")
        assert limit_monitor.machine_memory() == memory
    monkeypatch.setattr(limit_monitor, "CGROUP_MEMORY", tmp_path / "none")
    assert limit_monitor.machine_memory() == whole


def test_unreadable_memory_does_not_hide_the_other_limits(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    supervision.restart(limits=Limits(idle_timeout=0.2))
    broken = [True]

    def memory() -> dict[str, int]:
        if broken.pop() if broken else False:
            raise OSError("no descriptor left")
        return {}

    monkeypatch.setattr(claude_process, "memory", memory)
    supervision.restart(limits=Limits(idle_timeout=0.2, memory=1e12))
    assert end_of(supervision.prompt("Hello")).outcome is Outcome.COMPLETED
    assert "could not check the limits" in caplog.text


def test_the_last_lines_of_stderr_outlive_their_file(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["stderr", "Oh no."], ["exit", 3]))
    end_of(run)
    run.folder.errors.unlink()
    assert error_lines(run) == ["Oh no."]


def test_a_record_of_version_1_is_read_without_stderr(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["stderr", "Oh no."], ["exit", 3]))
    assert end_of(run).stderr == ("Oh no.",)
    text = run.folder.record_path.read_text()
    old = text.replace('"version": 2', '"version": 1').replace(
        ',\n  "stderr": [\n   "Oh no."\n  ]', ""
    )
    assert old.count("stderr") == 0
    run.folder.record_path.write_text(old)
    assert RunFolder(run.folder.path).load().end == RunEnd(
        **{**{name: getattr(run.record.end, name) for name in RunEnd.__slots__}, "stderr": ()}
    )


def test_record_of_a_later_version_is_not_overwritten(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["exit", 0]))
    end_of(run)
    text = run.folder.record_path.read_text().replace('"version": 2', '"version": 3')
    run.folder.record_path.write_text(text)
    supervision.restart()
    assert supervision.supervisor.of_session(run.record.session_id) == []
    assert run.folder.record_path.read_text() == text


def test_limit_monitor_ends_with_its_server(supervision: Supervision) -> None:
    before = supervision.supervisor
    idle(supervision.prompt("Hello"))
    checked: list[float] = []
    before.rounds.add("count", lambda: 0.01, lambda: checked.append(time.monotonic()))
    until(lambda: checked, "it checks")
    supervision.restart()
    count = len(checked)
    let_pass(0.1)
    assert len(checked) == count
