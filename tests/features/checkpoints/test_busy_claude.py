"""A rewind just after a turn: Claude may still be busy with the turn's end, and is asked again."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.engines.requests import Query
from opcode_htmx.features.checkpoints import rewind
from opcode_htmx.runs.control import control_requests
from opcode_htmx.runs.control.run import Run
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, until

pytestmark = [pytest.mark.usefixtures("integration"), pytest.mark.timeout(60)]

BUSY = {"rewound": False, "error": "turn running", "reason": "turn_running"}
DONE = {"rewound": True, "prefillText": "Plant trees", "precedingAssistantUuid": ""}


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    with app_of(sandbox, stand_in) as app:
        yield app


def go_back(
    app: Flask, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any]
) -> tuple[TestResponse, list[Query], str]:
    """Go back to before the only prompt. What follows, the orders, and the session's page.

    The last of Claude's answers comes again and again.
    """
    client, orders = client_of(app), list[Query]()
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(sandbox.project), "prompt": "Plant trees", **ids}
    address = client.post("/sessions", data=form).location.partition("#")[0]

    def is_over() -> bool:
        return "Ready for the next prompt" in client.get(address).text

    until(is_over, "the turn is over on the page", sleep=lambda: gevent.sleep(0.02))
    prompt = re.search(r'block-prompt".*?/blocks/([^/"]+)/share', client.get(address).text, re.S)
    assert prompt

    def ask(run: Run, query: Query, seconds: float = 0) -> dict[str, Any]:
        orders.append(query)
        return answers[min(len(orders), len(answers)) - 1]

    monkeypatch.setattr(control_requests, "ask", ask)
    answer = client.post(f"{address}/rewind", data={"prompt": prompt[1], "what": "conversation"})
    return answer, orders, client.get(address).text


def test_claude_that_is_busy_twice_is_asked_again(
    app: Flask, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewind, "BUSY_PAUSE", 0.01)
    pending = {"rewound": False, "reason": "prompt_pending"}
    answer, orders, page = go_back(app, sandbox, monkeypatch, pending, BUSY, DONE)
    assert answer.status_code == 303
    assert [each.name for each in orders] == ["rewind_conversation"] * 3
    assert orders[0] == orders[1] == orders[2]
    assert re.search(r"<textarea[^>]*>\s*Plant trees</textarea>", page), "it is the draft"


def test_claude_that_stays_busy_is_reported_with_its_reason(
    app: Flask, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewind, "BUSY_PAUSE", 0.01)
    monkeypatch.setattr(rewind, "BUSY_SECONDS", 0.1)
    answer, orders, _ = go_back(app, sandbox, monkeypatch, BUSY)
    assert answer.status_code == 409
    assert "turn running. Try again in a moment." in answer.text
    assert len(orders) > 1


def test_another_refusal_is_reported_at_once(
    app: Flask, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"rewound": False, "error": "target not found"}
    answer, orders, _ = go_back(app, sandbox, monkeypatch, gone)
    assert answer.status_code == 409
    assert "Claude cannot take the conversation back: target not found" in answer.text
    assert len(orders) == 1
