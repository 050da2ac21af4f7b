"""The server with the stand-in, and a long session on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.features.session_page.in_browser import long_session
from tests.features.session_page.in_browser.where.beginning import PROMPTS
from tests.support.server import Server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    yield shared_server
    shared_server.ensure_started()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture(scope="package")
def read_past(shared_server: Server) -> str:
    """That of one that tests only look at."""
    return long_session.write(shared_server.sandbox.with_own_project(), PROMPTS)


@pytest.fixture
def past(server: Server) -> str:
    """The page of a long session that was held in a terminal, in a project of its own."""
    return long_session.write(server.sandbox.with_own_project(), PROMPTS)
