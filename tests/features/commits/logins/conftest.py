"""A desk whose remote asks for a login."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
def desk(
    sandbox: Sandbox, stand_in: Path, server: GitServer, settings: dict[str, str]
) -> Iterator[Desk]:
    """A desk whose remote asks for a login."""
    bare = server.repository("a/b")
    github = {"OPCODE_REPOSITORIES_GITHUB": server.url}
    with app_of(sandbox, stand_in, jobs=False, **github, **settings) as app:
        desk = Desk(app, sandbox)
        desk.repo.plain("remote", "add", "origin", f"{server.url}/a/b.git")
        git(desk.repo.top, "fetch", "-q", str(bare), "main:refs/remotes/origin/main")
        git(desk.repo.top, "reset", "-q", "--hard", "origin/main")
        desk.repo.commit("Prune")
        yield desk
