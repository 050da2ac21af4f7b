"""A server with the real CLI, the hooks of its user, and a project."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.features.claude_hooks.hooks import USER
from tests.support.apps.local_server import LocalServer, local_server
from tests.support.environment import Sandbox


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, claude: Path) -> Iterator[LocalServer]:
    sandbox = Sandbox(tmp_path_factory.mktemp("hooks") / "home").make()
    with local_server(sandbox, claude) as server:
        yield server


@pytest.fixture
def user_file(server: LocalServer) -> Path:
    path = server.sandbox.config_dir / "settings.json"
    path.write_text(json.dumps(USER, indent=4) + "\n")
    return path


@pytest.fixture
def project(server: LocalServer) -> Iterator[str]:
    """A folder that is empty again afterwards: of other files, the CLI would be asked again."""
    folder = server.sandbox.project
    yield str(folder)
    shutil.rmtree(folder)
    folder.mkdir()
