"""Budgets with the real CLI: a run is warned, paused within its turn, and goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from opcode_htmx.engines.claude.demo import sse
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.engines.claude.files import history
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Limits, Scope
from tests.support.environment import PASSWORD, USER, Sandbox, runs_of, until
from tests.support.server import Server

TOKENS = 20_000
"""Of the input of each message that the API reports."""
STEPS = 6


@pytest.fixture(scope="module")
def shared_settings(shared_home: Sandbox) -> dict[str, str]:
    allowed = {"permissions": {"allow": ["Bash"]}}
    (shared_home.config_dir / "settings.json").write_text(json.dumps(allowed))
    return {"OPCODE_WORKERS": "2"}


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    message = sse.message

    def costly(*arguments: Any) -> dict[str, Any]:
        whole = message(*arguments)
        whole["usage"] |= {"input_tokens": TOKENS}
        return whole

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
    with MessagesApi(scenes) as api, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "message", costly)
        yield api


@dataclass(frozen=True)
class First:
    """The only session that began while there was no budget; nothing else is of its project."""

    session_id: str
    cost: float
    """Of one message, as Claude reports it."""


@pytest.fixture(scope="module")
def first(shared_real_server: Server) -> First:
    book = BudgetBook(shared_real_server.sandbox.state)
    session_id = begin(shared_real_server, shared_real_server.sandbox, "hello")
    return First(session_id, until(book.spending.of_today, "the cost of the first turn"))


def begin(server: Server, sandbox: Sandbox, prompt: str) -> str:
    """Begin a session that asks nothing in the project of `sandbox`; its id."""
    body = {"project_path": str(sandbox.project), "prompt": prompt}
    answer = requests.post(
        f"{server.url}/api/sessions/execute", json=body, auth=(USER, PASSWORD), timeout=30
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["data"]["session_id"])


def page_of(sandbox: Sandbox, session_id: str) -> str:
    project = history.project_id(sandbox.project)
    return f"/projects/{project}/sessions/{session_id}"


def steps_done(sandbox: Sandbox) -> int:
    return len(list(sandbox.project.glob("step-*")))


def end_of(sandbox: Sandbox, session_id: str, number: int = 0) -> dict[str, Any]:
    """How a run of the session has ended, once it has."""

    def found() -> dict[str, Any]:
        record = (runs_of(sandbox.state, session_id)[number] / "run.json").read_bytes()
        return json.loads(record)["end"] or {}

    return until(found, "the run has ended")


def test_a_run_is_paused_within_its_turn_and_goes_on(
    shared_real_server: Server, first: First
) -> None:
    server, book, one = shared_real_server, BudgetBook(shared_real_server.sandbox.state), first.cost
    sandbox = server.sandbox
    # reached by the third message of six, with that of the session before
    limit = one + 2.5 * one
    book.set_limits(Limits(project=limit))
    session_id = begin(server, sandbox, "water the trees")
    page = page_of(sandbox, session_id)
    end = end_of(sandbox, session_id)
    assert end["outcome"] == "interrupted"
    assert end["cause"].startswith("Paused: the $")
    hold = book.hold(session_id)
    assert hold
    assert hold.scope is Scope.PROJECT
    # the message that reaches it, and at most the one that was asked for meanwhile
    assert limit <= hold.spent <= limit + 2 * one
    assert steps_done(sandbox) < STEPS
    until(lambda: "Paused by a budget" in server.get(page).text, "the page says so")
    refused = server.post(f"{page}/prompt", {"prompt": "and now?", "prompt_id": PROMPT})
    assert refused.status_code == 409
    assert "Decide on the session" in refused.text
    until(lambda: "and now?" in server.get(page).text, "it is in the composer")
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


def test_a_warning_comes_before_the_pause(shared_real_server: Server, first: First) -> None:
    server, book = shared_real_server, BudgetBook(shared_real_server.sandbox.state)
    sandbox = server.sandbox.with_own_project()
    book.set_limits(Limits(run=first.cost * 6.5))  # 80% is reached by the sixth of seven
    session_id = begin(server, sandbox, "prune the trees")
    page = page_of(sandbox, session_id)
    until(lambda: "at 100% Claude is paused" in server.get(page).text, "the warning")
    assert "Paused by a budget" not in server.get(page).text
    (sandbox.project / "go").touch()
    assert "Paused: the $" in end_of(sandbox, session_id)["cause"]
    hold = book.hold(session_id)
    assert hold
    assert hold.scope is Scope.RUN
    until(lambda: "Paused by a budget" in server.get(page).text, "the pause")
    until(lambda: "at 100% Claude is paused" not in server.get(page).text, "no warning any more")


def test_the_cost_of_all_is_noted_without_a_budget_and_nothing_is_asked(
    shared_real_server: Server, first: First
) -> None:
    assert first.cost > 0
    (run,) = runs_of(shared_real_server.sandbox.state, first.session_id)
    assert b"get_usage" not in (run / "in.ndjson").read_bytes()
    book = BudgetBook(shared_real_server.sandbox.state)

    def is_shown() -> bool:
        words = f"Today so far: ${book.spending.of_today():.2f}"
        return words in shared_real_server.get("/budgets").text

    until(is_shown, "the page has the cost of all")
