"""Budgets with the real CLI: a run is warned, paused within its turn, and goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from opcode_htmx.engines.claude.demo import sse
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.engines.claude.files import history
from opcode_htmx.runs.policies.budget_book import BudgetBook
from opcode_htmx.runs.policies.budget_figures import Limits, Scope
from tests.support.environment import PASSWORD, USER, Sandbox, Server, runs_of, until

TOKENS = 20_000
"""Of the input of each message that the API reports."""
STEPS = 6


@pytest.fixture
def server_settings(sandbox: Sandbox) -> dict[str, str]:
    allowed = {"permissions": {"allow": ["Bash"]}}
    (sandbox.config_dir / "settings.json").write_text(json.dumps(allowed))
    return {"OPCODE_WORKERS": "2"}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesApi]:
    message = sse.message

    def costly(*arguments: Any) -> dict[str, Any]:
        whole = message(*arguments)
        whole["usage"] |= {"input_tokens": TOKENS}
        return whole

    monkeypatch.setattr(sse, "message", costly)
    tools = [
        ToolUse("Bash", {"command": f"sleep 1.5; touch step-{number}", "description": "A step"})
        for number in range(STEPS)
    ]
    quick = [
        ToolUse("Bash", {"command": f"touch branch-{number}", "description": "A branch"})
        for number in range(STEPS - 1)
    ]
    go_on = "until [ -e go ]; do sleep 0.1; done"
    wait = ToolUse("Bash", {"command": go_on, "description": "Wait for the ladder"})
    scenes = (
        Scene("water", "water the trees", [*tools, Text("Watered.")]),
        Scene("prune", "prune the trees", [*quick, wait, Text("Pruned.")]),
        Scene("anything", "", [Text("Here I am.")]),
    )
    with MessagesApi(scenes) as api:
        yield api


def begin(server: Server, prompt: str) -> str:
    """Begin a session that asks nothing; its id."""
    body = {
        "project_path": str(server.sandbox.project),
        "prompt": prompt,
    }
    answer = requests.post(
        f"{server.url}/api/sessions/execute", json=body, auth=(USER, PASSWORD), timeout=30
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["data"]["session_id"])


def page_of(server: Server, session_id: str) -> str:
    project = history.project_id(server.sandbox.project)
    return f"/projects/{project}/sessions/{session_id}"


def steps_done(sandbox: Sandbox) -> int:
    return len(list(sandbox.project.glob("step-*")))


def end_of(sandbox: Sandbox, session_id: str, number: int = 0) -> dict[str, Any]:
    """How a run of the session has ended, once it has."""

    def found() -> dict[str, Any]:
        record = (runs_of(sandbox.state, session_id)[number] / "run.json").read_bytes()
        return json.loads(record)["end"] or {}

    return until(found, "the run has ended")


def cost_of_one_message(server: Server) -> float:
    """What one message costs, as Claude reports it."""
    book = BudgetBook(server.sandbox.state)
    begin(server, "hello")
    return until(book.spent_today, "the cost of the first turn")


@pytest.mark.parametrize("scope", [Scope.RUN, Scope.DAY, Scope.PROJECT])
def test_a_run_is_paused_within_its_turn_and_goes_on(
    real_server: Server, sandbox: Sandbox, scope: Scope
) -> None:
    server, book = real_server, BudgetBook(sandbox.state)
    one = cost_of_one_message(server)
    before = 0.0 if scope is Scope.RUN else one
    # reached by the third message of six
    limit = before + 2.5 * one
    book.set_limits(Limits(**{scope: limit}))
    session_id = begin(server, "water the trees")
    page = page_of(server, session_id)
    end = end_of(sandbox, session_id)
    assert end["outcome"] == "interrupted"
    assert end["cause"].startswith("Paused: the $")
    hold = book.hold(session_id)
    assert hold
    assert hold.scope is scope
    # the message that reaches it, and at most the one that was asked for meanwhile
    assert limit <= hold.spent <= limit + 2 * one
    assert steps_done(sandbox) < STEPS
    shown = server.get(page).text
    assert "Paused by a budget" in shown
    refused = server.post(f"{page}/prompt", {"prompt": "and now?", "prompt_id": PROMPT})
    assert refused.status_code == 409
    assert "Decide on the session" in refused.text
    assert "and now?" in server.get(page).text  # in the composer
    book.set_limits(Limits())
    answer = server.post(f"/budgets/held/{session_id}/go-on", {})
    assert answer.status_code == 303
    again = server.post(f"/budgets/held/{session_id}/go-on", {})
    assert again.status_code == 303
    assert book.hold(session_id) is None
    until(lambda: "Here I am." in server.get(page).text, "it went on")
    (run,) = runs_of(sandbox.state, session_id)[1:]
    sent = [json.loads(line) for line in (run / "in.ndjson").read_text().splitlines()]
    assert [each["message"]["content"] for each in sent if each["type"] == "user"] == [
        "Go on where you left off."
    ]


PROMPT = "11111111-1111-4111-8111-111111111111"


def test_a_warning_comes_before_the_pause(real_server: Server, sandbox: Sandbox) -> None:
    server, book = real_server, BudgetBook(sandbox.state)
    one = cost_of_one_message(server)
    book.set_limits(Limits(run=one * 6.5))  # 80% is reached by the sixth of seven
    session_id = begin(server, "prune the trees")
    page = page_of(server, session_id)
    until(lambda: "at 100% Claude is paused" in server.get(page).text, "the warning")
    assert "Paused by a budget" not in server.get(page).text
    (sandbox.project / "go").touch()
    assert "Paused: the $" in end_of(sandbox, session_id)["cause"]
    assert "Paused by a budget" in server.get(page).text
    until(lambda: "at 100% Claude is paused" not in server.get(page).text, "no warning any more")


def test_the_cost_of_all_is_noted_without_a_budget_and_nothing_is_asked(
    real_server: Server, sandbox: Sandbox
) -> None:
    assert cost_of_one_message(real_server) > 0
    (run,) = (sandbox.state / "runs").glob("*")
    assert b"get_usage" not in (run / "in.ndjson").read_bytes()
    page = real_server.get("/budgets").text
    assert "Today so far: $0." in page


@pytest.mark.parametrize("form", [{"run": "-1"}, {"day": "a"}, {"project": "1e9"}, {"run": "0"}])
def test_a_budget_that_is_none_is_refused_with_what_was_typed(
    start_server: Callable[..., Server], sandbox: Sandbox, stand_in: Any, form: dict[str, str]
) -> None:
    server = start_server(sandbox, stand_in)
    answer = server.post("/budgets", form)
    assert (answer.status_code, "Write a budget in dollars" in answer.text) == (422, True)
    (typed,) = form.values()
    assert f'value="{typed}"' in answer.text
    assert server.post("/budgets", {"run": "$2,50"}).status_code == 303
    assert BudgetBook(sandbox.state).limits == Limits(run=2.5)
