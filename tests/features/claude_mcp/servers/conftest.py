"""An app with the real CLI, and a remote server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.apps.in_process import app_of, client_of
from tests.support.apps.local_server import asked_once
from tests.support.environment import Sandbox


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("mcp") / "home").make()


@pytest.fixture(scope="package")
def app(home: Sandbox, claude: Path) -> Iterator[Flask]:
    with app_of(home, claude) as made, asked_once(made, home):
        yield made


@pytest.fixture
def sandbox(home: Sandbox) -> Sandbox:
    home.empty_config()
    for name in (".mcp.json", ".claude/settings.local.json"):
        (home.project / name).unlink(missing_ok=True)
    return home


@pytest.fixture
def client(app: Flask, sandbox: Sandbox) -> FlaskClient:
    return client_of(app)
