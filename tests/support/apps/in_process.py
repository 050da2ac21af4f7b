"""The app without a server, for events in the middle of a request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx import create_app
from opcode_htmx.app import feature_settings
from opcode_htmx.config.settings import Settings
from opcode_htmx.features.context import AppContext
from tests.support.environment import (
    PASSWORD,
    USER,
    Sandbox,
    basic_header,
    kill_processes_of,
)
from tests.support.suite.compiled_templates import CompiledTemplates, common_folder


@cache
def _share_templates() -> None:
    CompiledTemplates(common_folder()).use_in_new_apps()


@contextlib.contextmanager
def app_of(
    sandbox: Sandbox, claude: Path | None, *, jobs: bool = True, **variables: str
) -> Iterator[Flask]:
    """The app over a sandbox; requests log in by Basic.

    Without a `claude` it finds one. `jobs`: its background jobs run.
    """
    settings = Settings.from_env(
        {
            **sandbox.environment(),
            "CLAUDE_PATH": str(claude or ""),
            "OPCODE_USER": USER,
            "OPCODE_PASSWORD": PASSWORD,
            "OPCODE_STATE_DIR": str(sandbox.state),
            "OPCODE_PROJECT_ROOTS": str(sandbox.project),
            "OPCODE_DEMO": "0",
            "OPCODE_TERMINAL": "1",
            "OPCODE_ASK_AHEAD": "0",
            "OPCODE_SEARCH_INDEX": "0",
            "OPCODE_WARM_START": "0",
            **variables,
        },
        feature_settings.load(),
    )
    _share_templates()
    app = create_app(settings)
    context: AppContext = app.extensions["opcode_context"]
    if jobs:
        context.jobs.start()
    try:
        yield app
    finally:
        app.logger.disabled = False  # it is that of the next app, too
        context.jobs.stop()
        kill_processes_of(sandbox.state)


def client_of(app: Flask) -> FlaskClient:
    """A client of an app that logs in by Basic with each request."""
    client = app.test_client(use_cookies=False)
    client.environ_base["HTTP_AUTHORIZATION"] = basic_header()["Authorization"]
    return client
