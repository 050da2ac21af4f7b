"""A phone on the server with the stand-in, and a project for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages.browser import Phone
from tests.support.server import Server


@pytest.fixture
def project(server: Server) -> Path:
    """A folder for one test."""
    return server.sandbox.with_own_project().project


@pytest.fixture
def phone(kept_phone: Phone) -> Phone:
    assert not kept_phone.is_calm
    return kept_phone
