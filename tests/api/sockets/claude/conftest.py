"""A client of /ws/claude."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import Sandbox
from tests.support.server import Server


@pytest.fixture
def sandbox(shared_server: Server) -> Sandbox:
    return shared_server.sandbox


@pytest.fixture
def client(server: Server) -> Iterator[JsonClient]:
    with connected(server) as client:
        yield client
