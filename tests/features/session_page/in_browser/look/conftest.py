"""A phone on a server with the stand-in, and a gate at which that waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages.browser import Phone
from tests.support.server import Server
from tests.support.suite import shared_fixtures


@pytest.fixture(scope="package")
def shared_settings() -> dict[str, str]:
    return {}


shared_sandbox = pytest.fixture(scope="package")(shared_fixtures.home)
shared_server = pytest.fixture(scope="package")(shared_fixtures.server)


@pytest.fixture
def project(server: Server) -> Path:
    """A folder for one test."""
    return server.sandbox.with_own_project().project


@pytest.fixture
def phone(kept_phone: Phone) -> Phone:
    assert not kept_phone.is_calm
    return kept_phone
