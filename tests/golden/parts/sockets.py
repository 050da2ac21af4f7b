"""What the recordings of the sockets share."""

from __future__ import annotations

import json
import re
import uuid

import requests

from tests.support.environment import PASSWORD, USER
from tests.support.server import Server

BASIC = (USER, PASSWORD)
CHATS = "/api/claude/sessions"


def steps(*each: list[object]) -> str:
    """A prompt for the stand-in."""
    return json.dumps(each)


WAITS = steps(["text", "one"], ["wait", "/nowhere"])


class Sockets:
    """A server, and how its sessions and those of its API are begun."""

    def __init__(self, server: Server) -> None:
        self.server = server
        sandbox = server.sandbox
        self.names = {
            str(sandbox.project): "PROJECT",
            str(sandbox.home): "HOME",
            re.sub(r"[^A-Za-z0-9]", "-", str(sandbox.project)): "PROJECT-ID",
        }

    def create(self) -> str:
        body = {"workingDir": str(self.server.sandbox.project), "title": "Plums"}
        answer = requests.post(f"{self.server.url}{CHATS}", json=body, auth=BASIC, timeout=20)
        return str(answer.json()["data"]["id"])

    def begin(self, text: str) -> str:
        form = {
            "folder": str(self.server.sandbox.project),
            "session_id": str(uuid.uuid4()),
            "prompt_id": str(uuid.uuid4()),
            "prompt": text,
        }
        answer = self.server.post("/sessions", form)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"].removesuffix("#end")
