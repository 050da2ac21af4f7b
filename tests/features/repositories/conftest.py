"""An app with a git server and a scripted GitHub beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.features.context import AppContext
from opcode_htmx.sessions.repositories import job_files, records
from opcode_htmx.sessions.repositories.services import services
from tests.support.apps.clearing import clear, empty
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.outside.git_server import GitServer, git_server
from tests.support.outside.github_api import GitHubApi, github_api
from tests.support.suite import shared_fixtures

KEPT = (records.FOLDER.name, job_files.FOLDER.name)
"""The folders of the state with what is known of clones."""
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

    def clear(self) -> None:
        """Leave no repository, here and there, and nothing that is known of one."""
        if self.server.hold:
            self.server.hold.set()
        found = self.context.once(services)
        gevent.joinall([*found.transfers._running])
        found.kept_logins._kept.clear()
        for folder in (self.folder, self.server.root):
            empty(folder)
        clear(self.app, self.sandbox, *KEPT)
        fresh = GitServer(self.server.root, self.server.url)
        vars(self.server).update(vars(fresh))

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
    """More of them than the app that tests share has, for a test with an app of its own."""
    return {}


@contextmanager
def shed_in(sandbox: Sandbox, served: Path, **settings: str) -> Iterator[Shed]:
    with git_server(served) as server, github_api() as github:
        variables: dict[str, Any] = {
            "OPCODE_REPOSITORIES_GITHUB": server.url,
            "OPCODE_REPOSITORIES_GITHUB_API": github.url,
            **settings,
        }
        with app_of(sandbox, write_stand_in(sandbox.home / "claude"), **variables) as app:
            yield Shed(app, sandbox, server, github)


shared_home = pytest.fixture(scope="package")(shared_fixtures.home)


@pytest.fixture(scope="package")
def package_shed(
    integration: None, shared_home: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shed]:
    with shed_in(shared_home, tmp_path_factory.mktemp("served")) as shed:
        yield shed


@pytest.fixture
def shed(
    request: pytest.FixtureRequest, settings: dict[str, str], tmp_path: Path
) -> Iterator[Shed]:
    if settings:
        with shed_in(request.getfixturevalue("sandbox"), tmp_path / "served", **settings) as own:
            yield own
    else:
        shared: Shed = request.getfixturevalue("package_shed")
        yield shared
        shared.clear()
