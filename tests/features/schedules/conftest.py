"""One server of two workers for all tests that leave each other's sessions and schedules alone."""

from __future__ import annotations

import pytest

from tests.support.suite import shared_fixtures


@pytest.fixture(scope="package")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_WORKERS": "2"}


shared_sandbox = pytest.fixture(scope="package")(shared_fixtures.home)
shared_server = pytest.fixture(scope="package")(shared_fixtures.server)
