"""A project with a session, its checkpoints, and a browser without JavaScript."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.identity import owner
from opcode_htmx.runs.events.types import TurnEnded, Usage
from tests.features.checkpoints.repository import commit_first, git
from tests.support.apps.in_process import client_of
from tests.support.clients import api
from tests.support.copies import fill
from tests.support.environment import USER, Sandbox


def _first_commit(folder: Path) -> None:
    commit_first(folder, "tree.txt", "apple\n")


class Garden:
    """An app with one session in a project, and its checkpoints."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.context: AppContext = app.extensions["opcode_context"]
        self.folder = sandbox.project
        self.file = api.session(
            sandbox.config_dir, self.folder, api.prompt("Prune the trees", self.folder)
        )
        self.id = self.file.stem
        self.client = client_of(app)
        self.address = f"/projects/{self.file.parent.name}/sessions/{self.id}"
        self.rest = f"/api/sessions/{self.id}"

    def git(self, *arguments: str) -> str:
        return git(self.folder, *arguments)

    def repository(self) -> Garden:
        fill(self.folder, _first_commit)
        return self

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def read(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def page(self, path: str = "checkpoints", status: int = 200) -> str:
        answer = self.client.get(f"{self.address}/{path}")
        assert answer.status_code == status, answer.text
        return answer.text

    def post(self, path: str, status: int = 303, **form: str) -> TestResponse:
        answer = self.client.post(f"{self.address}/{path}", data=form)
        assert answer.status_code == status, answer.text
        return answer

    def take(self, description: str = "") -> int:
        self.post("checkpoints", description=description)
        return int(self.listed[-1]["checkpoint"])

    def call(self, method: str, path: str, status: int = 200, **body: object) -> Any:
        json = body if method in ("post", "put") else None
        answer = getattr(self.client, method)(f"{self.rest}/{path}", json=json)
        assert answer.status_code == status, answer.text
        return answer.get_json().get("data")

    @property
    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("get", "checkpoints")["checkpoints"]
        return found

    def restore(self, number: int, status: int = 303) -> TestResponse:
        digest = re.search(r'name="digest" value="(\w+)"', self.page(f"checkpoints/{number}"))
        assert digest
        return self.post(f"checkpoints/{number}/restore", status, digest=digest[1])

    def turn_ended(self, *prompts: str) -> None:
        usage = Usage(100, 20, 0, 0, 0.5, 0.5, "claude-x", 1)
        self.context.sessions.automatic_checkpoints.turn_ended(
            TurnEnded(
                id="run.turn_ended.1", at=time.time(), run_id="run", session_id=self.id,
                project_path=str(self.folder), by=owner(USER), prompt_ids=prompts, is_error=False,
                reason="completed", usage=usage,
            )
        )  # fmt: skip
