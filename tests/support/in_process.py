"""The app without a server, for events in the middle of a request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

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


class _CompiledOnce(BytecodeCache):
    """Templates that another app of this process has compiled: most of the time of a start."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if known := self._compiled.get((bucket.key, bucket.checksum)):
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


_TEMPLATES = _CompiledOnce()


@contextlib.contextmanager
def _shared_templates() -> Iterator[None]:
    options = Flask.jinja_options
    Flask.jinja_options = {**options, "bytecode_cache": _TEMPLATES}
    try:
        yield
    finally:
        Flask.jinja_options = options


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
    with _shared_templates():
        app = create_app(settings)
    context: AppContext = app.extensions["opcode_context"]
    if jobs:
        context.jobs.start()
    try:
        yield app
    finally:
        context.jobs.stop()
        kill_processes_of(sandbox.state)


def client_of(app: Flask) -> FlaskClient:
    """A client of an app that logs in by Basic with each request."""
    client = app.test_client(use_cookies=False)
    client.environ_base["HTTP_AUTHORIZATION"] = basic_header()["Authorization"]
    return client
