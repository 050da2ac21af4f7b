"""A server with the real CLI, and a session of two turns on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from tests.support.cli.sessions import Session
from tests.support.server import Server
from tests.support.suite import shared_fixtures

shared_home = pytest.fixture(scope="package")(shared_fixtures.home)
shared_real_server = pytest.fixture(scope="package")(shared_fixtures.real_server)


@pytest.fixture(scope="package")
def shared_api() -> Iterator[MessagesApi]:
    made = ToolUse("Bash", {"command": "echo needle-in-output"})
    scenes = (
        Scene("tool", "look", [made, Text("I have *looked* at it.")]),
        Scene("anything", "", [Text("Yes, **indeed**.")]),
    )
    with MessagesApi(scenes) as api:
        yield api


@pytest.fixture(scope="package")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


@pytest.fixture
def server(shared_real_server: Server) -> Iterator[Server]:
    yield shared_real_server
    shared_real_server.ensure_started()


@pytest.fixture(scope="package")
def _looked(shared_real_server: Server) -> Session:
    return Session(shared_real_server, "look <b>here</b> for the Plum <tree>", "and then?")


@pytest.fixture
def looked(_looked: Session) -> Session:
    """A session of two turns, which runs; tests may change nothing of it but its name."""
    assert _looked.post("rename", title="A look").status_code == 303
    return _looked
