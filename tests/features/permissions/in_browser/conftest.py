"""A server with the real CLI, and a model that asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Request, Scene, Text, ToolUse
from tests.features.permissions.in_browser.cards import ASKED, GRACE
from tests.runs.asking import last_result, scenes
from tests.support.cli.idle_sessions import IdleSessions
from tests.support.environment import Sandbox
from tests.support.pages.browser import Phone
from tests.support.server import Server
from tests.support.suite import shared_fixtures

shared_home = pytest.fixture(scope="package")(shared_fixtures.home)
shared_real_server = pytest.fixture(scope="package")(shared_fixtures.real_server)
shared_real_phone = pytest.fixture(scope="package")(shared_fixtures.real_phone)
idle_sessions = pytest.fixture(scope="package")(shared_fixtures.idle_sessions)


@pytest.fixture(scope="package")
def shared_api(shared_home: Sandbox) -> Iterator[MessagesApi]:
    def write_outside(request: Request) -> ToolUse:
        """A file with the last word of the prompt as its name."""
        path = shared_home.home / "elsewhere" / f"{request.prompt.split()[-1]}.txt"
        return ToolUse("Write", {"file_path": str(path), "content": "x\n"})

    ask = ToolUse("AskUserQuestion", {"questions": ASKED})
    more = (
        Scene("outside", "outside", [write_outside, Text("Tried.")]),
        Scene("hang", "hang", [ToolUse("Bash", {"command": "tail -f /dev/null"}), Text("No.")]),
        Scene("ask", "ask me", [ask, last_result]),
    )
    with MessagesApi((*more, *scenes(shared_home.project))) as api:
        yield api


@pytest.fixture(scope="package")
def shared_settings() -> dict[str, str]:
    return {
        "OPCODE_ALLOW_BYPASS": "1",
        "IS_SANDBOX": "1",
        "OPCODE_DISCONNECT_GRACE": f"{GRACE}",
        "OPCODE_ASK_AHEAD": "0",
    }


@pytest.fixture
def server(shared_real_server: Server) -> Server:
    return shared_real_server


@pytest.fixture
def phone(kept_real_phone: Phone) -> Phone:
    return kept_real_phone


@pytest.fixture
def idle_phone(phone: Phone, idle_sessions: IdleSessions) -> Phone:
    """At a session of the real CLI that waits for a prompt."""
    phone.open_session(idle_sessions.take())
    return phone


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    """With a project for one test."""
    return server.sandbox.with_own_project()
