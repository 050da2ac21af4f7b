"""The number of concurrent runs is limited; further ones wait in a visible start queue."""

from __future__ import annotations

import pytest

from opcode_htmx.runs.control.control_requests import change
from opcode_htmx.runs.control.prompt_queue import queue, take_back
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies.scheduler import ENDED_FOR_ANOTHER, Scheduler
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.status_panel import status_text
from tests.runs.policies.scheduler.busy import LAST, Busy, end_of
from tests.support.cli.supervision import BY, Supervision, idle, new_id, steps, texts, until


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


def test_run_that_has_room_is_starting_and_never_waits_for_it(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch, shown = Scheduler.launch, list[str]()

    def launch_during_a_round(scheduler: Scheduler, run: Run) -> None:
        scheduler.admit()
        shown.append(status_text(run))
        launch(scheduler, run)

    monkeypatch.setattr(Scheduler, "launch", launch_during_a_round)
    idle(supervision.prompt("Hello"))
    assert shown == ["Starting Claude…"]


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


def test_run_with_a_background_task_survives_an_eviction_and_ends_once_nobody_looks(
    supervision: Supervision,
) -> None:
    supervision.restart(max_runs=2, disconnect_grace=0.5)
    tasks = [{"task_id": "t", "task_type": "local_bash", "description": "Dev server"}]
    listed = {"type": "system", "subtype": "background_tasks_changed", "tasks": tasks}
    spared = idle(supervision.prompt(steps(["say", listed])))
    resting = idle(supervision.prompt("one"))
    idle(supervision.prompt("two"))
    assert (spared.live, resting.live) == (True, False)
    assert [task.description for task in spared.state.still_running] == ["Dev server"]
    supervision.supervisor.options.choose(spared.record.session_id, keep_running=False)
    assert "nobody was looking" in end_of(spared)[1]


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
        for each in OptionsPresenter(choosing, 60.0).view(session_id, [run]).fields
    }
    assert (shown["permission_mode"], shown["effort"]) == ("plan", "high")
