"""One server with the stand-in for the tests of this folder: they share it, but no session."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from tests.support.suite import shared_fixtures


@pytest.fixture(scope="package")
def shared_settings() -> dict[str, str]:
    return {}


shared_sandbox = pytest.fixture(scope="package")(shared_fixtures.home)
shared_server = pytest.fixture(scope="package")(shared_fixtures.server)
shared_phone = pytest.fixture(scope="package")(shared_fixtures.phone)


@pytest.fixture
def server(shared_server: Server) -> Server:
    shared_server.ensure_started()
    return shared_server
