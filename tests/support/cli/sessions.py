"""A session of the real CLI, controlled through the app's HTTP interface."""

from __future__ import annotations

import re
import uuid
from html import unescape
from pathlib import Path

import requests

from opcode_htmx.engines.claude.files import history
from tests.support.environment import until
from tests.support.server import Server


class OpenSession:
    """A session that somebody else has begun, at the address of its page."""

    def __init__(self, server: Server, address: str) -> None:
        self.server = server
        self.sandbox = server.sandbox
        self.address = address.partition("#")[0]
        self.id = self.address.rpartition("/")[2]
        self.turns = 0
        """The sessions requested here that have ended."""

    def prompt(self, text: str) -> None:
        answer = self.post("prompt", prompt=text, prompt_id=str(uuid.uuid4()))
        assert answer.status_code == 303, answer.text
        self.answered()

    def answered(self) -> None:
        self.turns += 1
        until(lambda: self.page().count("tokens in,") == self.turns, "the turn ends")

    def page(self) -> str:
        return self.server.get(self.address).text

    def get(self, path: str) -> requests.Response:
        return self.server.get(f"{self.address}/{path}")

    def post(self, verb: str, **form: str) -> requests.Response:
        return self.server.post(f"{self.address}/{verb}", form)

    @property
    def file(self) -> Path:
        found = history.find(self.sandbox.config_dir, self.id)
        assert found is not None
        return found

    def stop(self) -> None:
        run = re.search(r"/runs/([0-9a-f]{32})/stop", self.page())
        assert run, "it runs"
        assert self.server.post(run[0], {}).status_code == 303
        until(lambda: "Stopped by you." in self.page(), "it stops")


class Session(OpenSession):
    """A session that begins with these prompts, one after the other."""

    def __init__(self, server: Server, *prompts: str) -> None:
        form = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
        folder = str(server.sandbox.project)
        answer = server.post("/sessions", {**form, "folder": folder, "prompt": prompts[0]})
        assert answer.status_code == 303, answer.text
        super().__init__(server, answer.headers["Location"])
        self.answered()
        for prompt in prompts[1:]:
            self.prompt(prompt)


def title(page: str) -> str:
    found = re.search(r'<div class="topbar-title"><h1[^>]*>(.*?)</h1>', page)
    assert found
    return unescape(found[1])
