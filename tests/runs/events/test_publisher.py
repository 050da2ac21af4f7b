"""The events of runs: what is emitted, and who the actor is."""

from __future__ import annotations

import time

import pytest

from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.identity import ENGINE, SYSTEM, UNKNOWN
from opcode_htmx.runs.events import progress
from opcode_htmx.runs.events.types import (
    PermissionAnswered,
    PermissionAsked,
    PromptSubmitted,
    RunEnded,
    RunStarted,
    RunWarned,
    TurnEnded,
)
from opcode_htmx.runs.model import actors
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies import limit_monitor
from opcode_htmx.runs.policies.limit_monitor import Limits
from tests.runs.events.emitted import LIFE, OTHER, emitted, ended, seen_by
from tests.runs.events.listening import names, only
from tests.support.cli.supervision import BY, FOREVER, Supervision, idle, new_id, steps, until


def test_run_lifecycle_is_emitted_as_events(supervision: Supervision) -> None:
    before = time.time()
    prompt_id = new_id()
    run = idle(supervision.prompt("Hello", prompt_id=prompt_id))
    run.stop(by=OTHER)
    events = emitted(supervision, *LIFE)
    assert names(events) == LIFE
    ended(run)
    for event in events:
        assert (event.run_id, event.session_id) == (run.id, run.record.session_id)
        assert event.project_path == str(supervision.sandbox.project)
        assert before - 1 <= event.at <= time.time()
        assert event.id.startswith(f"{run.id}.")
    # the stand-in does not say which prompts a turn was about
    assert [event.by for event in events] == [BY, BY, ENGINE, OTHER]
    submitted, over = only(PromptSubmitted, events), only(RunEnded, events)
    assert (submitted.prompt_id, submitted.characters, submitted.images) == (prompt_id, 5, 0)
    assert (over.outcome, over.cause) == (Outcome.CANCELLED, "Stopped by you.")
    assert run.record.end
    assert over.at == run.record.end.at
    assert not (run.folder.path / progress.FILE_NAME).exists()


def test_actor_of_a_turn_is_the_author_of_its_prompt(supervision: Supervision) -> None:
    prompt_id = new_id()
    result = {"type": "result", "user_message_uuids": [prompt_id], "subtype": "success"}
    supervision.prompt(steps(["say", result], FOREVER), prompt_id=prompt_id)
    event = only(TurnEnded, emitted(supervision, *LIFE[:3]))
    assert (event.by, event.prompt_ids) == (BY, (prompt_id,))


def test_a_permission_is_asked_by_claude_and_answered_by_a_person(supervision: Supervision) -> None:
    other = supervision.beside()
    run = supervision.prompt(steps(["ask", "r1"], ["ask", "r2"]))
    seen = seen_by(other, run)
    until(lambda: "r1" in seen.state.asks, "the other worker sees the first question")
    seen.allow("r1", by=OTHER)
    until(lambda: "r2" in run.state.asks, "Claude asks again")
    run.deny("r2", "No.", by=BY)
    asks = ["permission_asked", "permission_answered"]
    events = emitted(supervision, *LIFE[:3], *asks, *asks)
    asked = [event for event in events if isinstance(event, PermissionAsked)]
    assert [(each.request_id, each.tool_name, each.by) for each in asked] == [
        ("r1", "Bash", ENGINE),
        ("r2", "Bash", ENGINE),
    ]
    answers = [event for event in events if isinstance(event, PermissionAnswered)]
    assert [(each.request_id, each.allowed, each.by) for each in answers] == [
        ("r1", True, OTHER),
        ("r2", False, BY),
    ]
    assert names(events)[2:6] == asks * 2


def test_a_run_that_is_stopped_in_the_queue_ends_without_having_started(
    supervision: Supervision,
) -> None:
    supervision.restart(max_runs=1)
    supervision.prompt(steps(FOREVER))
    waiting = supervision.prompt("Hello")
    emitted(supervision, *LIFE[:2], "prompt_submitted")
    waiting.stop(by=OTHER)
    events = emitted(supervision, *LIFE[:2], "prompt_submitted", "run_ended")
    assert names([event for event in events if event.run_id == waiting.id]) == [
        "prompt_submitted",
        "run_ended",
    ]
    assert only(RunEnded, events).by == OTHER


def test_a_run_that_ends_by_itself_is_ended_by_claude(supervision: Supervision) -> None:
    supervision.prompt(steps(["exit", 3]))
    event = only(RunEnded, emitted(supervision, "run_started", "prompt_submitted", "run_ended"))
    assert (event.by, event.outcome, event.exit_status) == (ENGINE, Outcome.FAILED, 3)


def test_first_of_two_stops_is_the_actor(supervision: Supervision) -> None:
    other = supervision.beside()
    run = supervision.prompt(steps(FOREVER))
    seen = seen_by(other, run)
    seen.stop(by=OTHER)
    run.stop(by=BY)
    event = only(RunEnded, emitted(supervision, "run_started", "prompt_submitted", "run_ended"))
    assert event.by == OTHER


def test_a_limit_warns_and_stops_as_the_system(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit_monitor, "CHECK_SECONDS", 0.05)
    supervision.restart(limits=Limits(output=100_000))
    other = supervision.beside(limits=Limits(output=100_000))
    gate = supervision.sandbox.home / "gate"
    run = supervision.prompt(steps(["big", 85_000], ["wait", str(gate)], ["big", 20_000], FOREVER))
    until(lambda: run.warnings.get("output"), "it is warned of")
    until(lambda: seen_by(other, run).warnings.get("output"), "the other worker knows, too")
    gate.touch()
    events = emitted(supervision, "run_started", "prompt_submitted", "run_warned", "run_ended")
    warning, over = only(RunWarned, events), only(RunEnded, events)
    assert (warning.by, warning.about) == (SYSTEM, "output")
    assert "OPCODE_MAX_OUTPUT" in warning.text
    assert (over.by, over.outcome) == (SYSTEM, Outcome.FAILED)


# --- Several workers ------------------------------------------------------------------------


def test_actor_of_a_forwarded_command_is_its_sender(supervision: Supervision) -> None:
    other = supervision.beside()
    run = idle(supervision.prompt("one"))
    session_id, project = run.record.session_id, supervision.sandbox.project
    other.starts.prompt(session_id, project, new_id(), "two", by=OTHER)
    turn = LIFE[1:3]
    events = emitted(supervision, "run_started", *turn, *turn)
    assert [e.by for e in events if isinstance(e, PromptSubmitted)] == [BY, OTHER]


def test_stop_with_an_unrecorded_actor_has_an_unknown_actor(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = idle(supervision.prompt("Hello"))

    def full(*_: object) -> None:
        raise DiskFull

    with monkeypatch.context() as patched:
        patched.setattr(actors, "note", full)
        run.stop(by=BY)
    assert only(RunEnded, emitted(supervision, *LIFE)).by == UNKNOWN


def test_actor_of_a_start_is_the_author_of_its_prompt(supervision: Supervision) -> None:
    supervision.supervisor.starts.prompt(
        new_id(), supervision.sandbox.project, new_id(), "Hello", by=OTHER
    )
    events = emitted(supervision, *LIFE[:3])
    assert only(RunStarted, events).by == only(PromptSubmitted, events).by == OTHER
