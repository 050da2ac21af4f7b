"""A server with the real CLI, the rules of its user, and a project."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.features.claude_permissions.rules import USER
from tests.support.apps.local_server import LocalServer, local_server
from tests.support.environment import Sandbox, find_claude


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[LocalServer]:
    """The app with the real CLI; its project is trusted by hand."""
    sandbox = Sandbox(tmp_path_factory.mktemp("permissions") / "home").make()
    claude = find_claude()
    assert claude is not None
    (sandbox.home / "notes").mkdir()
    with local_server(sandbox, claude) as server:
        yield server


@pytest.fixture
def user_file(server: LocalServer) -> Path:
    path = server.sandbox.config_dir / "settings.json"
    path.write_text(json.dumps(USER, indent=4) + "\n")
    return path


@pytest.fixture
def project(server: LocalServer) -> Path:
    folder = server.sandbox.project
    (folder / ".claude").mkdir(exist_ok=True)
    for each in (folder / ".claude").glob("settings*.json"):
        each.unlink()
    state = server.sandbox.config_dir / ".claude.json"
    found = json.loads(state.read_text()) if state.exists() else {}
    found.setdefault("projects", {})[str(folder)] = {"hasTrustDialogAccepted": True}
    state.write_text(json.dumps(found))
    return folder
