"""A session whose Claude misbehaves, as a client sees it, and what is recorded of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import psutil

from opcode_htmx.engines.claude.files import history
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import processes_of, until
from tests.support.server import Server


@dataclass
class Began:
    """A session as a person has it in front of them."""

    server: Server
    client: JsonClient
    session_id: str
    run_id: str
    ended: dict[str, Any] = field(default_factory=dict)

    def page(self) -> str:
        project = history.project_id(self.server.sandbox.project)
        page = self.server.get(f"/projects/{project}/sessions/{self.session_id}")
        assert page.status_code == 200, page.text
        return " ".join(unescape(page.text).split())

    def shows(self, words: str) -> None:
        until(lambda: words in self.page(), f"the page says “{words}”")

    def record(self) -> dict[str, Any]:
        path = self.server.sandbox.state / "runs" / self.run_id / "run.json"
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found

    def processes(self) -> list[psutil.Process]:
        return processes_of(self.server.sandbox.state, self.run_id)

    def claude(self) -> psutil.Process:
        return psutil.Process(self.record()["pid"])

    def stop(self) -> None:
        stopped = self.server.post(f"/runs/{self.run_id}/stop", {})
        assert stopped.status_code in (303, 204), stopped.text

    def phase(self) -> str:
        running = self.server.get("/api/sessions/running").json()["data"]
        return next((run["status"] for run in running if run["run_id"] == self.run_id), "ended")

    def until_ended(self) -> None:
        self.ended = self.client.until("ended")


@contextmanager
def began(server: Server, *steps: list[object]) -> Iterator[Began]:
    """A session that Claude has taken up, heard by a program from its first line."""
    with connected(server) as client:
        client.send(
            command_type="execute",
            project_path=str(server.sandbox.project),
            prompt=json.dumps(steps),
            detach=True,
        )
        start = client.until("start")
        yield Began(server, client, start["session_id"], start["run_id"])
