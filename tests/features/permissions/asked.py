"""What an MCP server asks, on its pages and by its answers."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import requests

from opcode_htmx.engines.claude.demo.messages_api import Request, Text, Turn
from tests.support.environment import until
from tests.support.pages import dom
from tests.support.server import Server

SECRET = "Hush-key-4711"


def repeated(request: Request) -> Turn:
    assert request.last_tool_result is not None
    return (Text(f"The server got {request.last_tool_result.text}"),)


class Asked:
    """A session in which the server asks."""

    def __init__(self, server: Server, prompt: str) -> None:
        self._server = server
        ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
        folder = str(server.sandbox.project)
        answer = server.post("/sessions", {**ids, "prompt": prompt, "folder": folder})
        self.address = answer.headers["Location"]
        session_id = self.address.rpartition("/")[2].partition("#")[0]
        self.elicitations = f"/api/sessions/{session_id}/elicitations"
        (found,) = until(lambda: self.open, "the server asks")
        self.request: dict[str, Any] = found
        self.form = f"/runs/{found['run_id']}/asks/{found['request_id']}"

    @property
    def open(self) -> list[dict[str, Any]]:
        answer = self._server.get(self.elicitations)
        return list(answer.json()["data"]) if answer.ok else []

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
            return re.search(r"The server got (\{.*\})", dom.parse(self.page()).text)

        found = until(said, "the server has got its answer")
        assert found
        value: dict[str, Any] = json.loads(found[1])
        return value

    def page(self) -> str:
        return self._server.get(self.address).text

    def verdicts(self) -> list[str]:
        """What the page says that became of the question."""
        page = self.page()
        return [each for each in ("Accepted", "Declined", "No longer asked") if each in page]
