"""A server with twenty entries, and a phone on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page

from tests.app.pages.navigation.screens import TALL, size
from tests.support.environment import Sandbox, write_stand_in
from tests.support.pages.browser import Phone
from tests.support.server import Server


class ManyFeatures(Server):
    app = "tests.support.apps.many_features:app()"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("navigation")
    sandbox, claude = Sandbox(folder / "home").make(), write_stand_in(folder / "claude")
    server = ManyFeatures(sandbox, claude, "http://127.0.0.1:9")
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="package")
def _phone(browser: Browser, server: Server) -> Iterator[Phone]:
    with closing(Phone(browser, server)) as phone:
        yield phone


@pytest.fixture
def phone(_phone: Phone) -> Phone:
    """The phone of the other tests, as a new one would be but for its history."""
    _phone.page.emulate_media(media="null", color_scheme="null", forced_colors="null")
    size(_phone.page, TALL)
    return _phone


@pytest.fixture
def page(phone: Phone) -> Page:
    return phone.page


def set_badge(server: Server, number: int, count: int) -> None:
    (server.sandbox.state / f"badge-{number}").write_text(str(count))


@pytest.fixture
def badges(server: Server) -> Iterator[Callable[[int, int], None]]:
    """Sets the badge of a made-up feature; afterwards none has one."""
    yield lambda number, count: set_badge(server, number, count)
    for file in server.sandbox.state.glob("badge-*"):
        file.unlink()
