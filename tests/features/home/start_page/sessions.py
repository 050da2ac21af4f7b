"""Sessions that are begun, and what the start page lists."""

from __future__ import annotations

import json
import uuid

from opcode_htmx.features.home.service import PAGE
from tests.support.pages import dom
from tests.support.server import Server

OLD = 3 * PAGE
"""Sessions of the history."""


def name_of(number: int) -> str:
    return f"5e551000-0000-4000-8000-{number:012}"


def begin(server: Server, steps: list[object]) -> str:
    """A session of the stand-in; the address of its page."""
    form = {
        "folder": str(server.sandbox.project),
        "prompt": json.dumps(steps),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
    }
    return server.post("/sessions", form).headers["Location"]


def press(server: Server, words: str, **typed: str) -> str:
    """Send the form of a button on the start page, as a browser without scripts does.

    Gives the address to which the answer leads.
    """
    address, fields = dom.form_of(server.get("/").text, words)
    answer = server.post(address, {**fields, **typed})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]
