"""A desk whose remote asks for a login."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.features.commits.desk import Desk
from tests.features.commits.logins.pushing import USER, WORD
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox
from tests.support.outside.git_server import GitServer, git, git_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "served") as server:
        server.login = USER, WORD
        yield server


@pytest.fixture
def settings() -> dict[str, str]:
    return {}


@pytest.fixture
def app(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    stand_in: Path,
    server: GitServer,
    settings: dict[str, str],
) -> Iterator[Flask]:
    """The shared one, which keeps a login for a remote of this test only; or one with settings."""
    if not settings:
        yield request.getfixturevalue("shared_app")
        return
    github = {"OPCODE_REPOSITORIES_GITHUB": server.url}
    with app_of(sandbox, stand_in, jobs=False, **github, **settings) as app:
        yield app


@pytest.fixture
def desk(
    app: Flask, sandbox: Sandbox, own_project: Sandbox, server: GitServer, settings: dict[str, str]
) -> Desk:
    """A desk whose remote asks for a login."""
    bare = server.repository("a/b")
    desk = Desk(app, sandbox if settings else own_project)
    desk.repo.plain("remote", "add", "origin", f"{server.url}/a/b.git")
    git(desk.repo.top, "fetch", "-q", str(bare), "main:refs/remotes/origin/main")
    git(desk.repo.top, "reset", "-q", "--hard", "origin/main")
    desk.repo.commit("Prune")
    return desk
