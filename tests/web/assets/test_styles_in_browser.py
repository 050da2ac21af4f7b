"""The styles of a first page in Chromium: no request before it is painted, and one for the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

LATER_MS = 5000
"""Longer than static/feedback.js waits."""
HAS_LOADED = "() => document.readyState === 'complete' && document.cookie.includes('opcode_styles')"
LINKS = "link[rel=stylesheet]:not([href*=keyboard])"
GROUND = "() => getComputedStyle(document.body).backgroundColor"


def requested_styles(page: Page) -> list[str]:
    """The paths of stylesheets, in the order in which they are asked for from now on."""
    asked: list[str] = []

    def note(address: str) -> None:
        path = urlsplit(address).path
        if path.endswith(".css") and "keyboard" not in path:  # keyboard.js asks for its own
            asked.append(path)

    page.on("request", lambda request: note(request.url))
    return asked


def answers_for_styles(page: Page) -> list[bool]:
    """Whether the answer to each request for a stylesheet from now on is from the cache."""
    found: list[bool] = []

    def note(event: dict[str, Any]) -> None:
        answer = event["response"]
        if event["type"] == "Stylesheet" and "keyboard" not in answer["url"]:
            found.append(answer["fromDiskCache"])

    devtools = page.context.new_cdp_session(page)
    devtools.on("Network.responseReceived", note)
    devtools.send("Network.enable")
    return found


def test_first_page_asks_for_no_stylesheet_and_the_next_has_it_in_the_cache(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    page = open_phone(shared_server, color_scheme="dark").page
    asked = requested_styles(page)
    page.clock.install()
    page.goto("/projects")
    assert asked == []
    assert page.evaluate(GROUND) == "rgb(14, 20, 21)", "it has the look of its stylesheet"
    assert page.locator(LINKS).count() == 0
    page.clock.fast_forward(LATER_MS)
    page.wait_for_function(HAS_LOADED)
    fetched = sorted(asked)
    assert fetched == ["/static/projects/projects.css", "/static/style.css"]

    from_cache = answers_for_styles(page)
    page.goto("/projects")
    assert page.locator("style[data-address]").count() == 0
    assert page.locator(LINKS).count() == len(fetched)
    assert page.evaluate(GROUND) == "rgb(14, 20, 21)"
    assert from_cache == [True, True]


def test_styles_are_there_without_javascript(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    page = open_phone(shared_server, java_script_enabled=False, color_scheme="dark").page
    asked = requested_styles(page)
    for _ in range(2):
        page.goto("/projects")
        assert page.locator("style[data-address]").count() == 2
    assert asked == []
