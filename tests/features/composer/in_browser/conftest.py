"""A server with the stand-in for Claude, where the model is not the subject; another one with the
real CLI and a scripted model."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
    Turn,
)
from tests.features.composer.in_browser.page import WORDS
from tests.support.cli.idle_sessions import IdleSessions
from tests.support.environment import Sandbox
from tests.support.pages.browser import Phone
from tests.support.server import Server
from tests.support.suite import shared_fixtures


@pytest.fixture(scope="package")
def gates() -> list[threading.Event]:
    """The gates of the tests so far."""
    return []


@pytest.fixture
def gate(gates: list[threading.Event]) -> Iterator[threading.Event]:
    """Holds the answer to "hold" in its middle until it is set."""
    gates.append(threading.Event())
    yield gates[-1]
    gates[-1].set()


@pytest.fixture(scope="package")
def shared_api(gates: list[threading.Event]) -> Iterator[MessagesApi]:
    scenes = (
        Scene("hold", "hold", [lambda _: (Text(WORDS, gate=gates[-1]),)]),
        Scene("file", "Attached files", [_read, _have_read]),
        Scene("anything", "", [lambda request: (Text(f"You said: {request.prompt}"),)]),
    )
    with MessagesApi(scenes, keep_requests=100) as running:
        yield running


def _read(request: Request) -> Turn:
    return (ToolUse("Read", {"file_path": request.prompt.rpartition("- ")[2].strip()}),)


def _have_read(request: Request) -> Turn:
    return (Text(f"It says: {request.last_tool_result and request.last_tool_result.text}"),)


# One of each for all modules: their starts, and those of their Claudes, took a third of the time.


@pytest.fixture(scope="package")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """With a command in its project, which Claude finds when it starts."""
    home = shared_fixtures.home(tmp_path_factory)
    commands = home.project / ".claude" / "commands"
    commands.mkdir(parents=True)
    (commands / "prune.md").write_text(
        "---\ndescription: Prune the trees\nargument-hint: [tree]\n---\nPrune $ARGUMENTS\n"
    )
    return home


shared_real_server = pytest.fixture(scope="package")(shared_fixtures.real_server)
shared_real_phone = pytest.fixture(scope="package")(shared_fixtures.real_phone)
idle_sessions = pytest.fixture(scope="package")(shared_fixtures.idle_sessions)


@pytest.fixture(scope="package")
def stand_in_sessions(shared_server: Server) -> IdleSessions:
    return IdleSessions(shared_server)


@pytest.fixture
def idle_phone(kept_real_phone: Phone, idle_sessions: IdleSessions) -> Phone:
    """At a session of the real CLI that waits for a prompt."""
    kept_real_phone.open_session(idle_sessions.take())
    return kept_real_phone


@pytest.fixture
def phone(kept_phone: Phone) -> Phone:
    return kept_phone


@pytest.fixture
def composing(phone: Phone, stand_in_sessions: IdleSessions) -> Phone:
    """One at a session of the stand-in, which repeats what it is sent.

    For tests that leave nothing in its composer: a draft may arrive during the next test."""
    phone.open_session(stand_in_sessions.take())
    return phone


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    """With a project for one test."""
    return server.sandbox.with_own_project()
