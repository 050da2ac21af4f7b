"""One server with the stand-in for the tests of sessions and of the socket.

They leave each other's sessions alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.environment import Sandbox
from tests.support.server import Server
from tests.support.suite import shared_fixtures


@pytest.fixture(scope="package")
def shared_settings(shared_sandbox: Sandbox) -> dict[str, str]:
    return {"OPCODE_TASK_FOLDER": str(shared_sandbox.project)}


shared_sandbox = pytest.fixture(scope="package")(shared_fixtures.home)
shared_server = pytest.fixture(scope="package")(shared_fixtures.server)


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    yield shared_server
    shared_server.ensure_started()
