"""A server with old sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser

from tests.features.home.start_page.sessions import OLD, name_of
from tests.support.clients import api
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.pages.browser import Phone
from tests.support.server import Server


@pytest.fixture(scope="package")
def server_with_history(
    tmp_path_factory: pytest.TempPathFactory, integration: None
) -> Iterator[Server]:
    """A server with a history and an index."""
    sandbox = Sandbox(tmp_path_factory.mktemp("home") / "home").make()
    claude = write_stand_in(tmp_path_factory.mktemp("bin") / "claude")
    for number in range(OLD):
        text = api.prompt(f"Old session {number}", sandbox.project, api.NOON + 60 * number)
        answer = {"role": "assistant", "content": [{"type": "text", "text": f"Last {number}"}]}
        text += api.line({"type": "assistant", "uuid": f"a{number}", "message": answer})
        api.session(sandbox.config_dir, sandbox.project, text, name_of(number))
    started = Server(sandbox, claude, "http://127.0.0.1:9", OPCODE_SEARCH_INDEX="1").start()
    try:
        until(lambda: f"Last {OLD - 1}" in started.get("/").text, "the sessions are indexed")
        yield started
    finally:
        started.close()


@pytest.fixture(scope="package")
def phone_of_all(server_with_history: Server, browser: Browser) -> Iterator[Phone]:
    with closing(Phone(browser, server_with_history)) as phone:
        yield phone


@pytest.fixture
def phone(server: Server, phone_of_all: Phone) -> Iterator[Phone]:
    """One for all tests."""
    yield phone_of_all
    phone_of_all.hand_on()


@pytest.fixture
def server(server_with_history: Server) -> Iterator[Server]:
    """The server, whose lists show nothing afterwards that the test began, whether it passed."""
    yield server_with_history
    server_with_history.post("/runs/stop-all", {})
    server_with_history.post("/runs/seen", {"until": str(round(time.time() * 1000))})
