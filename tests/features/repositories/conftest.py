"""An app with a git server and a scripted GitHub beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.features.context import AppContext
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, until
from tests.support.outside.git_server import GitServer, git_server
from tests.support.outside.github_api import GitHubApi, github_api

TOKEN = "ghp_a-token-that-nobody-sees"


@dataclass
class Shed:
    """The app, what it clones from, and shorthands for what programs do with it."""

    app: Flask
    sandbox: Sandbox
    server: GitServer
    github: GitHubApi

    @property
    def context(self) -> AppContext:
        found: AppContext = self.app.extensions["opcode_context"]
        return found

    @property
    def client(self) -> FlaskClient:
        return client_of(self.app)

    @property
    def folder(self) -> Path:
        return self.sandbox.project / "opcode"

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.get_json()["data"]

    def clone(self, text: str = "o/n", state: str = "done") -> Any:
        """Clone a repository of the server, and wait for its end."""
        answer = self.client.post("/mgmt/repos/clone", json={"repo": text})
        assert answer.status_code == 202, answer.text
        return self.ended(answer.get_json()["data"]["repo"], state)

    def ended(self, repo: str, state: str = "done") -> Any:
        def at_end() -> Any:
            found = self.get(f"/mgmt/repos/{repo}")
            return found if found["transfer"]["state"] != "running" else None

        found = until(at_end, "it is over", sleep=lambda: gevent.sleep(0.02))
        assert found["transfer"]["state"] == state, found
        return found

    def everything_kept(self) -> bytes:
        """All files of the app and of the clones."""
        folders = (self.sandbox.state, self.folder)
        return b"".join(
            each.read_bytes()
            for folder in folders
            for each in folder.rglob("*")
            if each.is_file() and not each.is_symlink()
        )


@pytest.fixture
def settings() -> dict[str, str]:
    return {}


@pytest.fixture
def shed(
    integration: None,
    sandbox: Sandbox,
    stand_in: Path,
    tmp_path: Path,
    settings: dict[str, str],
) -> Iterator[Shed]:
    with git_server(tmp_path / "served") as server, github_api() as github:
        variables: dict[str, Any] = {
            "OPCODE_REPOSITORIES_GITHUB": server.url,
            "OPCODE_REPOSITORIES_GITHUB_API": github.url,
            **settings,
        }
        with app_of(sandbox, stand_in, **variables) as app:
            yield Shed(app, sandbox, server, github)
