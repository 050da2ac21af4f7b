"""Permissions and questions of the real CLI: Claude acts on the decision taken on a card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.features.permissions.routes import set_mode, suggestion
from opcode_htmx.rendering.asks.permissions import suggestions_of
from opcode_htmx.rendering.asks.questions import questions_of
from opcode_htmx.runs.control import control_requests
from opcode_htmx.runs.control.control_requests import ControlRefused
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from tests.runs.asking import PLAN, scenes
from tests.support.cli.idle_sessions import IdleRuns
from tests.support.cli.supervision import BY, Supervision, idle, texts, until
from tests.support.environment import Sandbox


@pytest.fixture(scope="module")
def shared_api(shared_home: Sandbox) -> Iterator[MessagesApi]:
    with MessagesApi(scenes(shared_home.project)) as api:
        yield api


@pytest.fixture(scope="module")
def shared_supervision(
    shared_home: Sandbox, claude: Path, shared_api: MessagesApi
) -> Iterator[Supervision]:
    supervision = Supervision(shared_home, claude, shared_api.url)
    supervision.restart(stop_deadline=8.0)
    yield supervision
    supervision.close()


@pytest.fixture(scope="module")
def idle_runs(shared_supervision: Supervision) -> IdleRuns:
    """For tests that leave no rule: those that leave one come last."""
    return IdleRuns(shared_supervision)


@pytest.fixture
def idle_run(idle_runs: IdleRuns, shared_home: Sandbox) -> Run:
    """Without the files that a test may have left."""
    for name in ("new.txt", "other.txt"):
        (shared_home.project / name).unlink(missing_ok=True)
    return idle_runs.take()


def asked(run: Run, tool: str) -> str:
    """The id of the open request, which is about this tool."""
    request_id = until(lambda: next(iter(run.state.asks), ""), "Claude asks")
    assert run.open_ask(request_id).tool_name == tool
    return request_id


def allow_always(supervision: Supervision, run: Run, tool: str, words: str) -> None:
    request = run.open_ask(asked(run, tool))
    (chosen,) = [each for each in suggestions_of(request) if str(each) == words]
    chosen_update = suggestion(request, str(chosen.number))
    supervision.supervisor.allow(run, request.request_id, permissions=[chosen_update], by=BY)


def answered(run: Run, turns: int) -> Run:
    until(lambda: run.state.turns == turns and run.phase is Phase.IDLE, f"turn {turns} ends")
    return run


def asks_of(run: Run) -> int:
    return run.folder.output.read_text(encoding="utf-8").count('"can_use_tool"')


def test_the_reason_for_a_denial_reaches_claude(idle_runs: IdleRuns, idle_run: Run) -> None:
    run, before = idle_run, texts(idle_run)
    idle_runs.prompt(run, "read it")
    run.deny(asked(run, "Read"), "Look into the wiki instead.", by=BY)
    run.deny(asked(run, "Read"), "The wiki, I said.", by=BY)
    idle(run)
    assert texts(run) == [*before, "It said: The wiki, I said."]


@pytest.mark.parametrize(
    ("mode", "asks"), [("default", ["ExitPlanMode", "Write"]), ("acceptEdits", ["ExitPlanMode"])]
)
def test_a_plan_that_is_approved_is_carried_out_in_the_mode_that_was_chosen(
    idle_runs: IdleRuns, idle_run: Run, shared_home: Sandbox, mode: str, asks: list[str]
) -> None:
    run, turns, before = idle_run, idle_run.state.turns, asks_of(idle_run)
    control_requests.change(run, "permission_mode", "plan")
    assert run.state.permission_mode == "plan"
    idle_runs.prompt(run, "plan it")
    request = run.open_ask(asked(run, "ExitPlanMode"))
    assert request.input["plan"] == PLAN
    assert not (shared_home.project / "new.txt").exists()
    run.allow(request.request_id, permissions=[set_mode(mode)], by=BY)
    for tool in asks[1:]:
        run.allow(asked(run, tool), by=BY)
    answered(run, turns + 1)
    assert run.state.permission_mode == mode
    assert asks_of(run) - before == len(asks)
    assert (shared_home.project / "new.txt").exists()
    control_requests.change(run, "permission_mode", "default")


def test_a_plan_that_is_sent_back_stays_a_plan(idle_runs: IdleRuns, idle_run: Run) -> None:
    run, turns = idle_run, idle_run.state.turns
    control_requests.change(run, "permission_mode", "plan")
    idle_runs.prompt(run, "plan it")
    run.deny(asked(run, "ExitPlanMode"), "Two files, please.", by=BY)
    run.deny(asked(run, "Write"), "Not yet.", by=BY)
    answered(run, turns + 1)
    assert run.state.permission_mode == "plan"
    assert "Two files, please." in run.folder.output.read_text(encoding="utf-8")
    control_requests.change(run, "permission_mode", "default")


def test_several_questions_are_answered_with_several_choices_and_own_words(
    idle_runs: IdleRuns, idle_run: Run
) -> None:
    run = idle_run
    idle_runs.prompt(run, "ask me")
    request = run.open_ask(asked(run, "AskUserQuestion"))
    fruits, number = questions_of(request, {})
    assert (fruits.many, number.many) == (True, False)
    run.allow(
        request.request_id,
        {"answers": {fruits.text: "Apples, Pears, plums too", number.text: "a dozen"}},
        by=BY,
    )
    idle(run)
    assert "Apples, Pears, plums too" in texts(run)[-1]
    assert "a dozen" in texts(run)[-1]


def test_the_model_changes_in_mid_run_and_the_run_stays_idle(
    idle_runs: IdleRuns, idle_run: Run, shared_api: MessagesApi
) -> None:
    run, turns = idle_run, idle_run.state.turns
    before = run.state.model
    haiku = next(model for model in run.state.models if model.value == "haiku")
    control_requests.change(run, "model", "haiku")
    assert run.state.model == haiku.resolved != before
    assert run.phase is Phase.IDLE  # Claude reports the change, but begins no turn
    idle_runs.prompt(run, "And now?")
    answered(run, turns + 1)
    assert shared_api.requests[-1]["model"] == haiku.resolved
    control_requests.change(run, "model", None)
    assert run.state.model == before


def test_the_effort_changes_in_mid_run(
    idle_runs: IdleRuns, idle_run: Run, shared_api: MessagesApi
) -> None:
    run = idle_run

    def used_now() -> object:
        turns = run.state.turns
        idle_runs.prompt(run, "And now?")
        answered(run, turns + 1)
        return shared_api.requests[-1]["output_config"]["effort"]

    usual = used_now()
    for effort, used in (("low", "low"), ("high", "high"), (None, usual)):
        control_requests.change(run, "effort", effort)
        assert run.state.effort == (effort or "")
        assert used_now() == used


def test_a_change_that_claude_refuses_says_why(idle_run: Run) -> None:
    run = idle_run
    with pytest.raises(ControlRefused, match="Claude refused: .*unheard of|must be one of"):
        control_requests.change(run, "permission_mode", "unheard of")
    assert run.state.permission_mode == "default"


def test_a_change_while_claude_asks_leaves_the_question_open(
    idle_runs: IdleRuns, idle_run: Run, shared_home: Sandbox
) -> None:
    run, before = idle_run, asks_of(idle_run)
    idle_runs.prompt(run, "write it")
    request = asked(run, "Write")
    control_requests.change(run, "permission_mode", "acceptEdits")
    control_requests.change(run, "model", "haiku")
    assert (run.phase, list(run.state.asks)) == (Phase.WAITING, [request])
    run.allow(request, by=BY)
    idle(run)
    assert asks_of(run) - before == 1
    assert (shared_home.project / "other.txt").exists()
    control_requests.change(run, "permission_mode", "default")
    control_requests.change(run, "model", None)


def test_decision_and_its_time_survive_a_restart(
    shared_supervision: Supervision, idle_runs: IdleRuns, idle_run: Run
) -> None:
    run, supervision = idle_run, shared_supervision
    idle_runs.prompt(run, "npm please")
    request = asked(run, "Bash")
    run.deny(request, "No.", by=BY)
    before = run.state.answers[request]
    assert before.at is not None
    supervision.restart()
    assert supervision.supervisor.get(run.id).state.answers[request] == before


def test_a_command_that_is_always_allowed_is_not_asked_about_again(
    shared_supervision: Supervision, idle_runs: IdleRuns, idle_run: Run, shared_home: Sandbox
) -> None:
    run, turns, before = idle_run, idle_run.state.turns, asks_of(idle_run)
    idle_runs.prompt(run, "npm please")
    allow_always(shared_supervision, run, "Bash", "Always allow npm test * in this project")
    answered(run, turns + 1)
    idle_runs.prompt(run, "npm again")
    answered(run, turns + 2)
    assert asks_of(run) - before == 1
    rules = json.loads((shared_home.project / ".claude" / "settings.local.json").read_text())
    assert rules["permissions"]["allow"] == ["Bash(npm test *)"]


def test_reading_outside_and_edits_that_are_allowed_for_the_session_are_not_asked_about_again(
    shared_supervision: Supervision, idle_runs: IdleRuns, idle_run: Run, shared_home: Sandbox
) -> None:
    run, turns, before = idle_run, idle_run.state.turns, asks_of(idle_run)
    idle_runs.prompt(run, "read it")
    allow_always(shared_supervision, run, "Read", "Always allow reading /etc in this session")
    answered(run, turns + 1)
    assert asks_of(run) - before == 1
    assert texts(run)[-1].startswith("It said: ")
    idle_runs.prompt(run, "write it")
    allow_always(shared_supervision, run, "Write", "Always allow edits in this session")
    answered(run, turns + 2)
    assert asks_of(run) - before == 2
    assert (shared_home.project / "other.txt").exists()
    assert run.state.permission_mode == "acceptEdits"
