"""The second tap of a double tap never answers a request that has just come to its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.features.session_page.test_look import asks, texts
from tests.support.browser import Phone
from tests.support.environment import Sandbox, Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

OPEN = ".block-ask[data-state=open]"


@pytest.fixture
def two_requests(
    sandbox: Sandbox,
    stand_in: Path,
    start_server: Callable[..., Server],
    open_phone: Callable[..., Phone],
) -> Phone:
    """The page of a session with two open requests, one below the other."""
    phone = open_phone(start_server(sandbox, stand_in))
    # the stand-in reads one answer only
    steps = [*texts(2), asks("r1", "Bash", command="ls"), ["ask", "r2"], ["wait", "/no"]]
    phone.begin(sandbox.project, json.dumps(steps))
    expect(phone.page.locator(OPEN)).to_have_count(2)
    expect(phone.page.locator("[data-new]")).to_have_count(0)
    return phone


def press_at_once(button: Locator) -> None:
    """A finger that is faster than Playwright's checks."""
    button.evaluate("each => each.click()")


def test_allowing_one_request_does_not_allow_the_next_one(two_requests: Phone) -> None:
    page = two_requests.page
    page.locator(OPEN).first.get_by_role("button", name="Allow").click()
    expect(page.locator(OPEN)).to_have_count(1)
    expect(page.locator("[data-new]")).to_have_count(1)
    press_at_once(page.locator(OPEN).get_by_role("button", name="Allow"))
    expect(page.locator("[data-new]")).to_have_count(0)
    expect(page.locator(OPEN)).to_have_count(1)
    expect(page.locator(f"{OPEN}[data-held]")).to_have_count(0)


def test_double_tap_on_a_link_to_a_session_does_not_answer_its_request(
    two_requests: Phone,
) -> None:
    page = two_requests.page
    page.add_init_script(
        """addEventListener("DOMContentLoaded", () => {
            const button = document.querySelector(".button[value=allow]");
            if (!button) return;
            button.scrollIntoView();
            const { left, right, top, bottom } = button.getBoundingClientRect();
            const target = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
            window.underFinger = target === button ? "Allow" : target.localName;
        });"""
    )
    for motion in ("reduce", "no-preference"):
        page.emulate_media(reduced_motion=motion)
        page.goto("/runs")
        assert page.evaluate("underFinger") != "Allow"
        page.locator("#runs .row").first.click()
        page.locator("body[data-link=online]").wait_for()
        assert page.evaluate("underFinger") != "Allow"
    page.locator(OPEN).first.get_by_role("button", name="Allow").click()
    expect(page.locator(OPEN)).to_have_count(1)
