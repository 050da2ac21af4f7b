"""Sessions that are begun and opened."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

from opcode_htmx.transcript.conversation.window import FIRST, STEP
from tests.support.pages.browser import Phone
from tests.support.server import Server

PROMPTS = FIRST + 2 * STEP + 10

OpenPhone = Callable[..., Phone]


def text(words: str) -> dict[str, object]:
    return {"type": "text", "text": words}


def said(name: str, *content: dict[str, object], tokens: int = 0) -> list[object]:
    usage = {"input_tokens": tokens}
    message = {"id": name, "role": "assistant", "content": content, "usage": usage}
    entry = {"type": "assistant", "message": message, "uuid": name}
    return ["raw", json.dumps(entry) + "\n"]


def begin(server: Server, *steps: list[object]) -> str:
    """Begin a session without viewers; return the address of its page."""
    form = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    folder = str(server.sandbox.project)
    answer = server.post("/sessions", {**form, "folder": folder, "prompt": json.dumps(steps)})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].partition("#")[0]


def open_session(phone: Phone, address: str) -> None:
    phone.page.goto(f"{address}#end")
    phone.page.locator("body[data-link=online]").wait_for()
