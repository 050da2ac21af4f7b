"""What an MCP server asks, on its pages and by its answers."""

from __future__ import annotations

import json
import re
import uuid
from html import unescape
from typing import Any

import requests

from opcode_htmx.engines.claude.demo.messages_api import Request, Text, Turn
from tests.support.environment import until
from tests.support.server import Server


def repeated(request: Request) -> Turn:
    assert request.last_tool_result is not None
    return (Text(f"The server got {request.last_tool_result.text}"),)


class Asking:
    """A session for one question after the other, each in a turn of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._address = ""
        self._asked: list[Asked] = []

    def ask(self, prompt: str) -> Asked:
        """Have the server ask; in another session if the last question was left open."""
        fields = {"prompt": prompt, "prompt_id": str(uuid.uuid4())}
        others, self._asked = self._asked, []
        if others and others[-1].is_answered:
            assert self.server.post(f"{self._address}/prompt", fields).status_code == 303
        else:
            place = {"session_id": str(uuid.uuid4()), "folder": str(self.server.sandbox.project)}
            answer = self.server.post("/sessions", {**fields, **place})
            self._address, others = answer.headers["Location"].partition("#")[0], []
        asked = Asked(self.server, self._address, others)
        self._asked = [*others, asked]
        return asked


class Asked:
    """What the server asks in a turn of a session, after others."""

    def __init__(self, server: Server, address: str, others: list[Asked]) -> None:
        self._server = server
        self._others = others
        self.address = address
        self.secret = f"Hush-key-{uuid.uuid4()}"
        """Words for an answer, which are in no other one."""
        self.is_answered = False
        session_id = self.address.rpartition("/")[2]
        self.elicitations = f"/api/sessions/{session_id}/elicitations"
        (found,) = until(lambda: self.open, "the server asks")
        self.request: dict[str, Any] = found
        self.form = f"/runs/{found['run_id']}/asks/{found['request_id']}"

    @property
    def open(self) -> list[dict[str, Any]]:
        """This one while it is asked; a worker may not have read yet what became of another."""
        answer = self._server.get(self.elicitations)
        others = {each.request["request_id"] for each in self._others}
        found = answer.json()["data"] if answer.ok else []
        return [each for each in found if each["request_id"] not in others]

    def is_over(self) -> bool:
        return not self.open

    def name(self, number: int) -> str:
        return f"e-{self.request['request_id']}-{number}"

    def send(self, decision: str, **fields: Any) -> requests.Response:
        """Answer by the form of the page; the keys are `f0`, `f1`…"""
        words: dict[str, Any] = {self.name(int(key[1:])): it for key, it in fields.items()}
        return self._server.post(self.form, {"decision": decision, **words})

    def got(self) -> dict[str, Any]:
        """What the MCP server got, as Claude repeats it."""

        def said() -> re.Match[str] | None:
            return re.search(r"The server got (\{.*?\})</", self._from_here(), re.DOTALL)

        found = until(said, "the server has got its answer")
        assert found
        self.is_answered = True
        value: dict[str, Any] = json.loads(unescape(found[1]))
        return value

    def page(self) -> str:
        return self._server.get(self.address).text

    def _from_here(self) -> str:
        """The page from the question on."""
        return self.page().partition(f'id="b-{self.request["request_id"]}"')[2]

    def card(self) -> str:
        """The question on the page."""
        return self._from_here().partition("</article>")[0]

    def verdicts(self) -> list[str]:
        """What the page says that became of the question."""
        card = self.card()
        return [each for each in ("Accepted", "Declined", "No longer asked") if each in card]
