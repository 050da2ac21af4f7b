"""Projects whose folders have one name at Claude, and a desk with their pages."""

from __future__ import annotations

import subprocess
import uuid
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Request, Scene, Text, ToolUse
from opcode_htmx.engines.claude.files.folder_names import claude_folder, shared_project_id
from tests.support.environment import Sandbox
from tests.support.server import Server

ALIKE = ("my.app", "my新app")
"""Folders to which Claude gives the same name; the second is used last."""


def write(request: Request) -> ToolUse:
    path = f"{request.working_directory}/made-by-phone"
    return ToolUse("Write", {"file_path": path, "content": "made"})


SCENES = (
    Scene("write", "make the file", [write, Text("It is made.")]),
    Scene("anything", "", [lambda request: Text(f"You said: {request.prompt}")]),
)


@dataclass
class Desk:
    """A computer with sessions of the real CLI, and the app on it."""

    sandbox: Sandbox
    claude: Path
    api: MessagesApi
    server: Server
    made: dict[str, str] = field(default_factory=dict)
    """The ids of the sessions by the names of their folders."""

    def folder(self, name: str) -> Path:
        return self.sandbox.home / "work" / name

    def prompt(self, name: str, resumed: str = "", new_id: str = "") -> None:
        """A session in a folder, as a terminal makes it or goes on with it."""
        self.folder(name).mkdir(exist_ok=True)
        option = "--resume" if resumed else "--session-id"
        self.made[name] = resumed or new_id or str(uuid.uuid4())
        subprocess.run(
            [self.claude, "-p", option, self.made[name]],
            cwd=self.folder(name),
            env=self.sandbox.environment(self.api.url),
            input=f"made in {name}".encode(),
            capture_output=True,
            check=True,
            timeout=60,
        )

    def bare(self, name: str) -> str:
        return claude_folder(self.folder(name))

    def project(self, name: str) -> str:
        return shared_project_id(self.bare(name), str(self.folder(name)))

    def address(self, name: str) -> str:
        return f"/projects/{self.bare(name)}/sessions/{self.made[name]}"

    def page(self, path: str) -> str:
        answer = self.server.get(path)
        assert answer.status_code == 200, answer.text
        return unescape(answer.text)
