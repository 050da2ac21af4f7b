"""axe-core finds no violation in a session with every kind of content.

The other pages are checked in tests/app/pages/test_every_page.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.features.session_page.in_browser.look.lines import EVERYTHING
from tests.features.session_page.in_browser.look.reading import play, wait_for_content
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import COLOURS, Violation, open_every_card, violations
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_axe_finds_no_violation_in_a_session_that_shows_everything(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(shared_server)
    play(phone, shared_server.sandbox.project, *EVERYTHING, ["wait", "/nowhere"])
    wait_for_content(phone)
    assert violations_in_each_theme(phone.page) == []
    open_every_card(phone.page)
    assert violations_in_each_theme(phone.page) == []


def violations_in_each_theme(page: Page) -> list[Violation]:
    """Of all rules in light, and in dark of those about colours: nothing else differs there."""
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += violations(page, *COLOURS)
    page.emulate_media(color_scheme="light")
    return found
