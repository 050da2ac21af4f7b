"""The number of concurrent runs is limited; further ones wait in a visible start queue."""

from __future__ import annotations

import errno
from typing import Any, NoReturn

import psutil
import pytest

from opcode_htmx.runs.control.control_requests import change
from opcode_htmx.runs.control.prompt_queue import queue, take_back
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies.scheduler import ENDED_FOR_ANOTHER
from opcode_htmx.runs.processes import claude_process as process_module
from opcode_htmx.runs.processes.claude_process import ClaudeProcess
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.status_panel import status_text
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


@pytest.fixture
def supervision(supervision: Supervision) -> Supervision:
    supervision.restart(max_runs=1)
    return supervision


LAST = ["exit after turn", 0]


class Busy:
    """A run that works until it is let go."""

    def __init__(self, supervision: Supervision, name: str = "gate") -> None:
        self.gate = supervision.sandbox.home / name
        self.run = supervision.prompt(steps(["text", "busy"], ["wait", str(self.gate)], LAST))
        until(lambda: texts(self.run) == ["busy"], "it works")

    def let_go(self) -> None:
        self.gate.touch()


def end_of(run: Run) -> tuple[Outcome, str]:
    assert run.join(20), f"the run is still {run.phase}"
    assert run.record.end is not None
    return run.record.end.outcome, run.record.end.cause


def test_run_beyond_the_limit_is_queued_until_a_slot_is_free(supervision: Supervision) -> None:
    busy = Busy(supervision)
    run = supervision.prompt("Hello")
    assert (run.phase, run.live, run.record.pid) == (Phase.QUEUED, True, None)
    assert len(supervision.marked_processes()) == 1
    busy.let_go()
    idle(run)
    assert texts(run) == ["Hello"]


def test_prompts_sent_while_queued_are_answered_in_order(supervision: Supervision) -> None:
    busy = Busy(supervision)
    session = new_id()
    run = supervision.prompt("one", session)
    assert supervision.prompt("two", session) is run
    assert [each.text for each in queue([run])] == ["one", "two"]
    busy.let_go()
    until(lambda: run.state.turns == 2, "both are answered")
    assert texts(run) == ["one", "two"]
    assert queue([run]) == []


def test_duplicate_prompt_is_queued_once(supervision: Supervision) -> None:
    Busy(supervision)
    session, prompt_id = new_id(), new_id()
    run = supervision.prompt("once", session, prompt_id)
    assert supervision.prompt("once", session, prompt_id) is run
    assert len(queue([run])) == 1


def test_start_queue_is_fifo(supervision: Supervision) -> None:
    busy = Busy(supervision)
    runs = [supervision.prompt(steps(["text", f"{n}"], LAST)) for n in range(3)]
    until(lambda: [run.ahead for run in runs] == [0, 1, 2], "each knows its place")
    assert [status_text(run) for run in runs] == [
        "Waits for room: it is next",
        "Waits for room: one session is before it",
        "Waits for room: 2 sessions are before it",
    ]
    busy.let_go()
    assert [end_of(run)[0] for run in runs] == [Outcome.COMPLETED] * 3
    began = [run.record.process_started_at or 0.0 for run in runs]
    assert began == sorted(began)
    assert [texts(run) for run in runs] == [["0"], ["1"], ["2"]]


def test_new_start_does_not_overtake_the_queue(supervision: Supervision) -> None:
    supervision.restart(max_runs=2)
    busy = [Busy(supervision, "a"), Busy(supervision, "b")]
    first = supervision.prompt(steps(["text", "first"], LAST))
    second = supervision.prompt(steps(["text", "second"], LAST))
    busy[0].let_go()
    assert end_of(first)[0] is Outcome.COMPLETED
    assert end_of(second)[0] is Outcome.COMPLETED
    began = [run.record.process_started_at or 0 for run in (first, second)]
    assert began[0] <= began[1]


def test_idle_run_is_evicted_for_a_queued_one(supervision: Supervision) -> None:
    first = idle(supervision.prompt("one"))
    second = idle(supervision.prompt("two"))
    assert end_of(first) == (Outcome.COMPLETED, ENDED_FOR_ANOTHER)
    assert texts(second) == ["two"]


def test_unviewed_idle_run_is_evicted_first(supervision: Supervision) -> None:
    supervision.restart(max_runs=2)
    viewed, left = idle(supervision.prompt("viewed")), idle(supervision.prompt("left"))
    with supervision.supervisor.viewers.viewing(viewed.record.session_id):
        third = idle(supervision.prompt("three"))
    assert end_of(left) == (Outcome.COMPLETED, ENDED_FOR_ANOTHER)
    assert viewed.phase is Phase.IDLE
    assert third.phase is Phase.IDLE


def test_evicted_session_goes_on_with_its_next_prompt(supervision: Supervision) -> None:
    session = new_id()
    first = idle(supervision.prompt("one", session))
    idle(supervision.prompt("two"))
    assert end_of(first)
    again = idle(supervision.prompt("three", session))
    assert again.id != first.id
    assert texts(again) == ["three"]


def test_stopped_queued_run_returns_its_prompts(supervision: Supervision) -> None:
    Busy(supervision)
    run = supervision.prompt("Hello")
    run.stop(by=BY)
    assert end_of(run) == (Outcome.CANCELLED, "Stopped by you.")
    assert [(each.text, each.left) for each in queue([run])] == [("Hello", True)]


def test_queued_prompt_can_be_withdrawn(supervision: Supervision) -> None:
    busy = Busy(supervision)
    session, prompt_id = new_id(), new_id()
    run = supervision.prompt("one", session)
    supervision.prompt("two", session, prompt_id)
    take_back(run, prompt_id, by=BY)
    assert [each.text for each in queue([run])] == ["one"]
    busy.let_go()
    idle(run)
    assert texts(run) == ["one"]


def test_queued_run_without_prompts_leaves_the_queue(supervision: Supervision) -> None:
    Busy(supervision)
    prompt_id = new_id()
    run = supervision.prompt("one", "", prompt_id)
    take_back(run, prompt_id, by=BY)
    assert end_of(run)[0] is Outcome.CANCELLED
    assert queue([run]) == []


def test_queued_run_receives_no_requests(supervision: Supervision) -> None:
    Busy(supervision)
    run = supervision.prompt("Hello")
    with pytest.raises(RunNotLive, match="has not been started for this session yet"):
        change(run, "model", "haiku")


def test_options_chosen_while_queued_apply_at_the_start(supervision: Supervision) -> None:
    busy = Busy(supervision)
    run = supervision.prompt("Hello")
    supervision.supervisor.options.choose(run.record.session_id, model="haiku")
    busy.let_go()
    idle(run)
    assert run.record.argv[run.record.argv.index("--model") + 1] == "haiku"


def test_page_of_a_queued_run_shows_its_options(supervision: Supervision) -> None:
    Busy(supervision)
    run = supervision.prompt("Hello")
    choosing, session_id = supervision.supervisor.options, run.record.session_id
    choosing.choose(session_id, permission_mode="plan", effort="high")
    shown = {
        each.name: each.chosen
        for each in OptionsPresenter(choosing, 60.0).view(session_id, run).fields
    }
    assert (shown["permission_mode"], shown["effort"]) == ("plan", "high")


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
