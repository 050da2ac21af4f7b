"""A desk whose remote asks for a login."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask

from tests.features.commits.desk import Desk
from tests.features.commits.logins.pushing import USER, WORD
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, write_stand_in
from tests.support.outside.git_server import GitServer, git, git_server
from tests.support.suite import shared_fixtures


@dataclass(frozen=True)
class GitHub:
    """A git server for which an app has a token of its own."""

    server: GitServer
    home: Sandbox
    app: Flask


@pytest.fixture(scope="package")
def github(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[GitHub]:
    home = shared_fixtures.home(tmp_path_factory)
    claude, roots = write_stand_in(home.home / "claude"), str(home.project.parent)
    settings = {"OPCODE_GITHUB_TOKEN": "gho-own", "GITHUB_USER": USER}
    with git_server(tmp_path_factory.mktemp("github")) as server:
        settings |= {"OPCODE_REPOSITORIES_GITHUB": server.url, "OPCODE_PROJECT_ROOTS": roots}
        with app_of(home, claude, jobs=False, **settings) as app:
            yield GitHub(server, home, app)


@pytest.fixture
def is_github() -> bool:
    """Whether the remote is the one for which the app has a token, for a test to choose."""
    return False


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path, is_github: bool) -> Iterator[GitServer]:
    """One without requests and repositories yet."""
    if is_github:
        found: GitServer = request.getfixturevalue("github").server
        yield found
        found.authorizations.clear()
        shutil.rmtree(found.root / "a")
        return
    with git_server(tmp_path / "served") as server:
        server.login = USER, WORD
        yield server


@pytest.fixture
def app(request: pytest.FixtureRequest, is_github: bool) -> Flask:
    """The shared one, which keeps a login for a remote of this test only."""
    shared: Flask = (
        request.getfixturevalue("github").app
        if is_github
        else request.getfixturevalue("shared_app")
    )
    return shared


@pytest.fixture
def own_project(request: pytest.FixtureRequest, is_github: bool, own_project: Sandbox) -> Sandbox:
    return request.getfixturevalue("github").home.with_own_project() if is_github else own_project


@pytest.fixture
def desk(app: Flask, own_project: Sandbox, server: GitServer) -> Desk:
    """A desk whose remote asks for a login."""
    bare = server.repository("a/b")
    desk = Desk(app, own_project)
    desk.repo.plain("remote", "add", "origin", f"{server.url}/a/b.git")
    git(desk.repo.top, "fetch", "-q", str(bare), "main:refs/remotes/origin/main")
    git(desk.repo.top, "reset", "-q", "--hard", "origin/main")
    desk.repo.commit("Prune")
    return desk
