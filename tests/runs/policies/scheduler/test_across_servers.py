"""The start queue over several workers and restarts, and starts that fail or are stopped."""

from __future__ import annotations

import errno
from typing import Any, NoReturn

import psutil
import pytest

from opcode_htmx.runs.control.prompt_queue import queue
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.processes import claude_process as process_module
from opcode_htmx.runs.processes.claude_process import ClaudeProcess
from opcode_htmx.runs.supervisor import Supervisor
from tests.runs.policies.scheduler.busy import LAST, Busy, end_of
from tests.support.cli.supervision import (
    BY,
    Supervision,
    disk_that_waits,
    idle,
    new_id,
    record_on_disk,
    steps,
    texts,
    until,
)


def test_start_queue_survives_a_restart(supervision: Supervision) -> None:
    busy = Busy(supervision)
    waiting = [supervision.prompt(steps(["text", name], LAST)) for name in ("one", "two")]
    supervision.supervisor.close()
    busy.let_go()
    supervisor = supervision.restart()
    runs = [supervisor.get(run.id) for run in waiting]
    assert [end_of(run)[0] for run in runs] == [Outcome.COMPLETED] * 2
    assert [texts(run) for run in runs] == [["one"], ["two"]]


def test_two_workers_keep_the_limit_together(supervision: Supervision) -> None:
    busy = Busy(supervision)
    other = supervision.beside(max_runs=1)
    run = other.starts.prompt(
        new_id(), supervision.sandbox.project, new_id(), steps(["text", "x"], LAST), by=BY
    )
    assert run.phase is Phase.QUEUED
    third = supervision.prompt(steps(["text", "y"], LAST))
    assert third.phase is Phase.QUEUED
    busy.let_go()
    assert end_of(run)[0] is end_of(third)[0] is Outcome.COMPLETED
    assert (run.record.process_started_at or 0) < (third.record.process_started_at or 0)


def test_queued_run_of_a_dead_worker_stays_queued_in_another(supervision: Supervision) -> None:
    supervision.restart(max_runs=1)
    other = supervision.beside(max_runs=1)
    busy = Busy(supervision)
    run = supervision.prompt("Hello")
    supervision.supervisor.close()
    busy.let_go()
    (taken,) = other.of_session(run.record.session_id)
    idle(taken)
    assert texts(taken) == ["Hello"]


def test_queued_run_is_not_started_while_what_a_dead_server_may_have_left_is_ended(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process would be taken for a rest of that server."""
    supervision.restart(max_runs=1)
    busy = Busy(supervision)
    run = supervision.prompt("Hello")
    supervision.supervisor.close()
    busy.let_go()
    until(lambda: not supervision.marked_processes(), "there is room for it")
    supervisor = Supervisor(supervision._run_settings())
    sweep = process_module.sweep

    def admit_and_sweep(run_id: str) -> bool:
        supervisor.scheduler.admit()
        return sweep(run_id)

    monkeypatch.setattr(process_module, "sweep", admit_and_sweep)
    supervision._supervisors.append(supervisor)
    supervisor.start()
    taken = supervisor.get(run.id)
    idle(taken)
    assert texts(taken) == ["Hello"]


def test_failed_start_states_its_reason_keeps_its_prompts_and_frees_the_slot(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Busy(supervision)
    doomed, next_one = supervision.prompt("Hello"), supervision.prompt("World")
    spawn = process_module.spawn

    def fail_once(*arguments: Any) -> ClaudeProcess:
        if doomed.id in arguments:
            raise OSError(8, "Exec format error")
        return spawn(*arguments)

    monkeypatch.setattr(process_module, "spawn", fail_once)
    busy.let_go()
    assert end_of(doomed) == (
        Outcome.FAILED,
        "Claude could not be started: Exec format error.",
    )
    assert [(each.text, each.left) for each in queue([doomed])] == [("Hello", True)]
    idle(next_one)


def test_runs_start_at_once_without_a_limit(supervision: Supervision) -> None:
    supervision.restart(max_runs=0)
    busy = [Busy(supervision, f"{n}") for n in range(3)]
    assert all(each.run.record.launched for each in busy)


def test_a_stop_while_the_process_is_being_started_leaves_none(supervision: Supervision) -> None:
    busy = Busy(supervision)
    run = supervision.prompt(steps(["text", "never"], ["wait", "/nowhere"]))
    with disk_that_waits(run.folder.path) as go_on:
        busy.let_go()
        until(
            lambda: {mark_of(each) for each in supervision.marked_processes()} == {run.id},
            "it begins",
        )
        assert run.phase is Phase.QUEUED, "its record is not on the disk yet"
        run.stop(by=BY)
        go_on.set()
        assert end_of(run) == (Outcome.CANCELLED, "Stopped by you.")
    assert supervision.marked_processes() == []
    assert record_on_disk(run)["end"]["outcome"] == "cancelled"


def mark_of(process: psutil.Process) -> str | None:
    return process.environ().get("OPCODE_RUN_ID")  # none is left of one that has just ended


def test_a_stop_while_it_is_recorded_that_a_start_has_failed_changes_nothing(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Busy(supervision)
    run = supervision.prompt("Hello")
    monkeypatch.setattr(process_module, "spawn", fails)
    with disk_that_waits(run.folder.path) as go_on:
        busy.let_go()
        until(lambda: list(run.folder.path.glob(".run.json-*")), "its end is being recorded")
        run.stop(by=BY)
        go_on.set()
        assert end_of(run) == (Outcome.FAILED, "Claude could not be started: Not today.")
    assert record_on_disk(run)["end"]["outcome"] == "failed"


def fails(*_: object) -> NoReturn:
    raise OSError(errno.EIO, "Not today")
