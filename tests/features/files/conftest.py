"""A project with files, in an app without a server."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files.history import project_id
from tests.support.apps.in_process import client_of
from tests.support.clients import api
from tests.support.environment import SYSTEM_PATH, Sandbox
from tests.support.suite import shared_fixtures

SESSION = "5e551000-0000-4000-8000-0000000000f1"
GIT = shutil.which("git") or "git"
SECRET = "the secret of another folder"


@dataclass(frozen=True)
class Project:
    """A project, and a client that is logged in."""

    client: FlaskClient
    folder: Path
    id: str
    sandbox: Sandbox

    @property
    def address(self) -> str:
        return f"/projects/{self.id}/files"

    def get(self, page: str = "", /, **query: str) -> TestResponse:
        """A page of files: `view`, `raw`, …; empty for a folder."""
        path = f"{self.address}/{page}" if page else self.address
        return self.client.get(f"{path}?{urlencode(query)}" if query else path)

    def post(self, page: str, /, **data: object) -> TestResponse:
        return self.client.post(f"{self.address}/{page}", data=data)

    def write(self, path: str, content: str | bytes = "x\n") -> Path:
        found = self.folder / path
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_bytes(content.encode() if isinstance(content, str) else content)
        return found

    def git(self, *arguments: str) -> None:
        environment = {"PATH": SYSTEM_PATH, "HOME": str(self.sandbox.home)}
        options = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run([GIT, *options, *arguments], cwd=self.folder, env=environment, check=True)

    def says(self, *texts: str, cwd: Path | None = None) -> None:
        """Have a session of the project in which Claude says texts, in another folder if given."""
        said(self.sandbox, self.folder, SESSION, *texts, cwd=cwd)


def said(
    sandbox: Sandbox, folder: Path, session_id: str, *texts: str, cwd: Path | None = None
) -> None:
    """Write a session in which Claude says texts."""
    common = {"sessionId": session_id, "timestamp": api.stamp(api.NOON)}
    prompt: dict[str, object] = {"role": "user", "content": "Go"}
    first = {"type": "user", "uuid": "p", "parentUuid": None, "cwd": str(folder)}
    lines = [api.line({**common, **first, "message": prompt})]
    parent = "p"
    for number, text in enumerate(texts):
        content = [{"type": "text", "text": text}]
        message: dict[str, object] = {
            "id": f"m{number}",
            "role": "assistant",
            "content": content,
        }
        entry = {"type": "assistant", "uuid": f"a{number}", "parentUuid": parent}
        line = {**common, **entry, "cwd": str(cwd or folder), "message": message}
        lines.append(api.line(line))
        parent = f"a{number}"
    api.session(sandbox.config_dir, folder, "".join(lines), session_id)


@pytest.fixture(scope="package")
def shared_jobs() -> bool:
    return False


shared_home = pytest.fixture(scope="package")(shared_fixtures.home)
shared_app = pytest.fixture(scope="package")(shared_fixtures.app)


@pytest.fixture(scope="package")
def app(shared_app: Flask) -> Flask:
    return shared_app


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Sandbox:
    """With a folder of its own, and nothing in Claude's folder and in the trash of files."""
    shared_home.empty_config()
    for each in (shared_home.state / "file_trash").glob("*"):
        shutil.rmtree(each)
    return shared_home.with_own_project()


@pytest.fixture
def project(app: Flask, sandbox: Sandbox) -> Project:
    """An empty project beside a file that it must not show."""
    client = client_of(app)
    folder = sandbox.project / "app"
    folder.mkdir()
    (sandbox.project / "secret.txt").write_text(SECRET)
    found = Project(client, folder.resolve(), project_id(folder.resolve()), sandbox)
    found.says("Hello")
    return found
