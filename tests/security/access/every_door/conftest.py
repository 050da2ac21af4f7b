"""The doors of an app, and an attack on them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from opcode_htmx.engines.claude.files.history import project_id
from tests.security.access.doors import Door, Login, Visits, doors_of, log_in
from tests.support.apps.in_process import app_of
from tests.support.clients import api
from tests.support.environment import Sandbox, write_stand_in

SESSION = "5e551000-0000-4000-8000-000000000001"


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(tmp_path_factory.mktemp("doors") / "home").make()
    api.session(sandbox.config_dir, sandbox.project, api.prompt("hello", sandbox.project), SESSION)
    return sandbox


@pytest.fixture(scope="package")
def app(integration: None, sandbox: Sandbox) -> Iterator[Flask]:
    with app_of(sandbox, write_stand_in(sandbox.home / "claude")) as app:
        app.logger.disabled = True  # what is refused is not a failure of the app
        yield app


@pytest.fixture(scope="package")
def visits(app: Flask) -> Visits:
    return Visits(app)


@pytest.fixture(scope="package")
def doors(app: Flask, visits: Visits, sandbox: Sandbox) -> list[Door]:
    known = {
        "project_id": project_id(sandbox.project),
        "session_id": SESSION,
        "either_id": SESSION,
        "run_id": "1" * 32,
        "token": "1" * 32,
        "block_id": "x",
        "verb": "remove",
    }
    return doors_of(app, known)


@pytest.fixture
def login(app: Flask) -> Login:
    return log_in(app)
