"""Runs outlive the server that started them, and the next one takes them over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opcode_htmx.runs.control.run import AlreadyAnswered
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.model.run_state import RunState
from opcode_htmx.runs.policies import limit_monitor as limits_module
from opcode_htmx.runs.policies.limit_monitor import Limits
from tests.runs.adoption.servers import ServeAndKill, ended, kill, wrote
from tests.support.cli.supervision import (
    BY,
    FOREVER,
    Supervision,
    idle,
    lines,
    new_id,
    steps,
    texts,
    until,
)


def test_a_server_that_is_killed_takes_no_run_with_it(
    supervision: Supervision, serve_and_kill: ServeAndKill, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    run_id = serve_and_kill(
        steps(["text", "before"], ["wait", str(go_on)], ["text", "after"]), wrote("before")
    )
    supervision.restart()
    run = supervision.supervisor.get(run_id)
    assert supervision.supervisor.live() == [run]
    assert run.phase is Phase.WORKING
    go_on.touch()
    idle(run)
    assert texts(run) == ["before", "after"]
    assert run.state.turns == 1


def test_a_request_is_answered_by_the_next_server(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill(steps(["ask", "r1"], ["text", "allowed"]), wrote("can_use_tool"))
    supervision.restart()
    run = supervision.supervisor.get(run_id)
    assert (run.phase, list(run.state.asks)) == (Phase.WAITING, ["r1"])
    run.allow("r1", by=BY)
    idle(run)
    assert texts(run) == ["allowed"]
    with pytest.raises(AlreadyAnswered):
        run.allow("r1", by=BY)


def test_an_adopted_run_takes_prompts_and_is_stopped_with_all_it_has_started(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill(steps(["grandchild"], ["text", "ready"]), wrote("result"))
    supervision.restart()
    run = idle(supervision.supervisor.get(run_id))
    assert supervision.prompt("more", run.record.session_id) is run
    until(lambda: texts(run) == ["ready", "more"], "the prompt is answered")
    until(lambda: len(supervision.marked_processes()) == 2, "they are there")
    run.stop(by=BY)
    assert ended(run) == (Outcome.CANCELLED, "Stopped by you.", None)
    until(lambda: not supervision.marked_processes(), "nothing is left")


def test_the_end_of_an_adopted_run_is_seen(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill("Hello", wrote("result"))
    supervision.restart()
    run = idle(supervision.supervisor.get(run_id))
    kill(run)
    assert ended(run) == (Outcome.COMPLETED, "Claude ended.", None)
    assert supervision.supervisor.live() == []


def test_an_adopted_run_that_ends_in_mid_turn_is_interrupted(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill(steps(["text", "I will"], FOREVER), wrote("I will"))
    supervision.restart()
    run = supervision.supervisor.get(run_id)
    kill(run)
    assert ended(run) == (
        Outcome.INTERRUPTED,
        "Claude ended before its answer was complete.",
        None,
    )


def test_a_request_of_an_unknown_kind_is_refused_by_the_next_server(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill("Hello", wrote("result"))
    folder = RunFolder(supervision.runs_dir / run_id)
    request = {"type": "control_request", "request_id": "x1", "request": {"subtype": "new"}}
    with folder.output.open("a", encoding="utf-8") as output:
        output.write(json.dumps(request) + "\n")
    supervision.restart()
    until(lambda: "x1" in folder.input_log.read_text(), "the request is refused")
    assert lines(folder.input_log)[-1]["response"]["subtype"] == "error"


def test_an_adopted_run_ends_when_it_has_been_idle(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "CHECK_SECONDS", 0.05)
    run_id = idle(supervision.prompt("Hello")).id
    supervision.restart(limits=Limits(idle_timeout=0.3))
    assert ended(supervision.supervisor.get(run_id))[0] is Outcome.COMPLETED


def test_the_state_is_the_same_in_the_next_server(supervision: Supervision) -> None:
    session = new_id()
    run = supervision.prompt(steps(["text", "one"]), session)
    idle(run)
    supervision.prompt(steps(["ask", "r1"], ["ask", "r2"]), session)
    until(lambda: run.state.asks, "Claude asks")
    run.allow("r1", by=BY)
    until(lambda: list(run.state.asks) == ["r2"], "Claude asks again")
    supervision.prompt("waits", session)
    supervision.restart()
    adopted = supervision.supervisor.get(run.id)
    assert adopted is not run
    for name in RunState.__slots__:
        assert getattr(adopted.state, name) == getattr(run.state, name), name


def test_every_server_in_a_row_can_take_over(supervision: Supervision) -> None:
    session = new_id()
    run_id = idle(supervision.prompt("0", session)).id
    for number in range(1, 4):
        supervision.restart()
        assert supervision.prompt(str(number), session).id == run_id
        idle(supervision.supervisor.get(run_id))
    run = supervision.supervisor.get(run_id)
    assert texts(run) == ["0", "1", "2", "3"]
    assert run.state.turns == 4


def test_detached_server_records_no_end(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    supervision.restart()
    kill(run)
    assert ended(supervision.supervisor.get(run.id))[0] is Outcome.COMPLETED
    assert run.record.end is None


def test_adopting_again_changes_nothing(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    supervision.supervisor.adopt()
    assert supervision.supervisor.of_session(run.record.session_id) == [run]
