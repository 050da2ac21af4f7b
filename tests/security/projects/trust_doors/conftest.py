"""A server with the real CLI, and a hostile project that nobody has touched."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from tests.security.projects.hostile_project import HostileProject, make_hostile
from tests.support.environment import Sandbox
from tests.support.server import Server


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("trust") / "home").make()


@pytest.fixture(scope="package")
def elsewhere() -> Iterator[MessagesApi]:
    """The API that a hostile project names."""
    with MessagesApi((Scene("any", "", [Text("Taken.")]),)) as running:
        yield running


@pytest.fixture(scope="package")
def server(home: Sandbox, claude: Path) -> Iterator[Server]:
    scenes = (
        Scene("run", "run it", [ToolUse("Bash", {"command": "touch made"}), Text("Done.")]),
        Scene("any", "", [Text("Yes.")]),
    )
    with ExitStack() as stack:
        api = stack.enter_context(MessagesApi(scenes))
        made = Server(home, claude, api.url, OPCODE_TASK_FOLDER=str(home.project))
        stack.callback(made.close)
        yield made.start()


@pytest.fixture
def hostile(server: Server, elsewhere: MessagesApi) -> HostileProject:
    """A project of this test's own, in a folder that was never trusted."""
    name = uuid.uuid4().hex[:8]
    folder = server.sandbox.home / "work" / name
    folder.mkdir(parents=True)
    return make_hostile(folder, server.sandbox.home / "traces" / name, elsewhere.url)


@pytest.fixture
def untouched(hostile: HostileProject, elsewhere: MessagesApi) -> Iterator[HostileProject]:
    """The same; at the end nothing of it may have run, nor its API have been asked."""
    before = len(elsewhere.requests)
    yield hostile
    assert hostile.ran() == set()
    assert len(elsewhere.requests) == before
