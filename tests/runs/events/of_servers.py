"""The events of real servers as they stand in the journal."""

from __future__ import annotations

import requests

from opcode_htmx.lib.identity import owner
from opcode_htmx.runs.events.types import RunEvent
from tests.runs.events.listening import in_journal, names
from tests.support.environment import PASSWORD, USER, until
from tests.support.server import Server

BASIC = owner(USER)


def emitted(server: Server, *kinds: str) -> list[RunEvent]:
    """All events so far, once these are there."""

    def found() -> list[RunEvent]:
        events = in_journal(server.sandbox.state)
        return events if sorted(names(events)) == sorted(kinds) else []

    return until(found, f"{kinds} are emitted")


def execute(server: Server, prompt: str) -> str:
    """Begin a session over REST; its id."""
    body = {"project_path": str(server.sandbox.project), "prompt": prompt}
    url, basic = f"{server.url}/api/sessions/execute", (USER, PASSWORD)
    answer = requests.post(url, json=body, auth=basic, timeout=20)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["data"]["session_id"])
