"""What tests share, each with a project of its own: homes, servers, phones, an app in process.

Functions for fixtures: those of tests/conftest.py are for one module, those of a package for all of
its modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from tests.support.apps.in_process import app_of
from tests.support.cli.idle_sessions import IdleSessions
from tests.support.environment import Sandbox, write_stand_in
from tests.support.pages.browser import Phone
from tests.support.server import Server


def home(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("shared") / "home").make()


def server(
    integration: None, shared_sandbox: Sandbox, shared_settings: dict[str, str]
) -> Iterator[Server]:
    """A server with the stand-in for tests that leave each other's sessions alone."""
    claude = write_stand_in(shared_sandbox.home / "claude")
    with closing(Server(shared_sandbox, claude, "http://127.0.0.1:9", **shared_settings)) as server:
        yield server.start()


def real_server(
    claude: Path, shared_home: Sandbox, shared_api: MessagesApi, shared_settings: dict[str, str]
) -> Iterator[Server]:
    """A server with the real CLI, and behind that the model that a module scripts: `shared_api`.

    For tests that leave each other's sessions alone."""
    with closing(Server(shared_home, claude, shared_api.url, **shared_settings)) as server:
        yield server.start()


def phone(browser: Browser, shared_server: Server) -> Iterator[Phone]:
    with closing(Phone(browser, shared_server)) as phone:
        yield phone


def real_phone(browser: Browser, shared_real_server: Server) -> Iterator[Phone]:
    with closing(Phone(browser, shared_real_server)) as phone:
        yield phone


def idle_sessions(shared_real_server: Server) -> IdleSessions:
    return IdleSessions(shared_real_server)


def app(shared_home: Sandbox, shared_jobs: bool) -> Iterator[Flask]:
    """The app over all projects of a home, with the stand-in; see Sandbox.with_own_project.

    To make an app, and its first page, takes as long as thirty pages.
    """
    claude, roots = write_stand_in(shared_home.home / "claude"), shared_home.project.parent
    with app_of(shared_home, claude, jobs=shared_jobs, OPCODE_PROJECT_ROOTS=str(roots)) as app:
        yield app
