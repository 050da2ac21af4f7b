"""The entries that the bar does not hold are in a sheet, also without scripts; badges."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.app.pages.navigation.screens import (
    KEYBOARD,
    LANDSCAPE,
    LONG,
    NARROW,
    OUT_OF_REACH,
    OWN,
    TALL,
    enlarge,
    more,
    sheet,
    size,
)
from tests.support.apps.many_features import LABELS, MADE_UP
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import sticks_out
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120), pytest.mark.usefixtures("integration")]


OpenPhone = Callable[..., Phone]

CUT_WORDS = """labels => labels.filter(each => each.checkVisibility()
        && each.scrollWidth > each.clientWidth).map(each => each.textContent)"""


# The sheet behind "More"
@pytest.mark.parametrize("letters", ["ordinary", "twice the size"])
def test_every_other_entry_is_in_the_sheet_and_can_be_scrolled_to(
    page: Page, badges: Callable[[int, int], None], letters: str
) -> None:
    for number in (0, 3, 4):
        badges(number, 999)
    page.goto(LONG)
    if letters != "ordinary":
        enlarge(page)
    for at in (NARROW, LANDSCAPE, TALL):
        size(page, at)
        more(page).click()
        items = sheet(page).locator(".nav-item")
        assert items.count() == MADE_UP + OWN
        assert sticks_out(page) <= 0
        assert sheet(page).locator(".nav-label").evaluate_all(CUT_WORDS) == []
        assert items.evaluate_all(OUT_OF_REACH) == [], at
        page.keyboard.press("Escape")


def test_a_shadow_at_its_edge_shows_that_the_sheet_goes_on(page: Page) -> None:
    size(page, KEYBOARD)
    page.goto(LONG)
    more(page).click()
    entries = sheet(page).locator(".nav-list")
    box = entries.bounding_box()
    assert box
    edge = {"x": box["x"] + 4, "y": int(box["y"] + box["height"]) - 2, "width": 2, "height": 1}

    def pixels(scrolled: int) -> bytes:
        entries.evaluate("(list, top) => list.scrollTo(0, top)", scrolled)
        return page.screenshot(clip=edge)  # type: ignore[arg-type]

    assert pixels(0) != pixels(10_000)


def test_the_sheet_takes_the_focus_and_returns_it(page: Page) -> None:
    page.goto(LONG)
    close = page.get_by_role("button", name="Close", exact=True)

    def closes_by(act: Callable[[], None]) -> None:
        more(page).focus()
        page.keyboard.press("Enter")
        expect(close).to_be_focused()
        act()
        expect(sheet(page)).to_be_hidden()
        expect(more(page)).to_be_focused()

    closes_by(lambda: page.keyboard.press("Escape"))
    closes_by(lambda: page.keyboard.press("Enter"))
    closes_by(lambda: page.mouse.click(200, 60))  # beside it, on what would be a link
    assert page.url.endswith(LONG)


def test_the_sheet_closes_when_the_focus_goes_on_to_the_page(page: Page) -> None:
    page.goto(LONG)
    more(page).click()
    page.keyboard.press("Tab")
    expect(sheet(page).get_by_role("link").first).to_be_focused()
    page.get_by_role("button", name="Log out").focus()
    expect(sheet(page)).to_be_visible()
    page.keyboard.press("Tab")
    expect(sheet(page)).to_be_hidden()


def test_two_taps_on_more_lead_nowhere(page: Page) -> None:
    page.goto(LONG)
    box = more(page).bounding_box()
    assert box
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(sheet(page)).to_be_visible()
    assert page.url.endswith(LONG)


def test_the_sheet_is_closed_when_the_page_is_left(page: Page) -> None:
    """A browser that keeps the page would show it open after Back; the tests' one keeps none."""
    page.goto(LONG)
    more(page).click()
    expect(sheet(page)).to_be_visible()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    expect(sheet(page)).to_be_hidden()


def test_without_scripts_more_opens_closes_and_leads_to_a_page_and_out(
    server: Server, open_phone: OpenPhone
) -> None:
    page = open_phone(server, java_script_enabled=False).page
    page.goto("/")
    more(page).click()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(sheet(page)).to_be_hidden()
    more(page).click()
    page.mouse.click(200, 60)
    expect(sheet(page)).to_be_hidden()
    more(page).click()
    page.get_by_role("link", name="Logins").click()
    expect(page.get_by_role("heading", name="Logins")).to_be_visible()
    more(page).click()
    sheet(page).get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")


# The current place, and badges
def test_the_current_place_is_marked_also_without_colours(page: Page) -> None:
    page.emulate_media(forced_colors="active")
    for path, entry, current in (
        ("/", "Home", "page"),
        (LONG, "More", "true"),
        (LONG, LABELS[4], "page"),
        (f"{LONG}/part", LABELS[4], "true"),
    ):
        page.goto(path)
        item = page.locator(".nav-item", has_text=entry).first
        expect(item).to_have_attribute("aria-current", current)
        weight, mark = item.evaluate(
            """each => [getComputedStyle(each).fontWeight, Object.values(
                ["top", "left"].map(side => getComputedStyle(each, "::before")
                    .getPropertyValue(`border-${side}-width`)))]"""
        )
        assert int(weight) >= 600
        assert "3px" in mark
        others = page.locator(".nav-item[aria-current]")
        assert others.count() == (2 if path.startswith(LONG) else 1)


def test_badges_are_counted_shown_and_kept_current(
    phone: Phone, badges: Callable[[int, int], None]
) -> None:
    page = phone.page
    badges(1, 1)
    page.goto("/")
    assert page.title() == "(1) Home · opcode"
    expect(more(page)).to_have_accessible_name("More 1 thing to do")
    badges(1, 120)
    badges(2, 3)
    phone.lock()
    phone.unlock()
    expect(more(page)).to_have_accessible_name("More 123 in the pages behind it")
    expect(page).to_have_title("(123) Home · opcode")
    more(page).click()
    usage = sheet(page).get_by_role("link", name="Usage 120 things to do", exact=True)
    expect(usage).to_be_visible()
    for number in (1, 2):
        badges(number, 0)
    phone.lock()
    phone.unlock()
    expect(page).to_have_title("Home · opcode")
    expect(page.locator(".badge:visible")).to_have_count(0)


def test_a_stranger_sees_neither_entries_nor_counts(
    server: Server, badges: Callable[[int, int], None]
) -> None:
    badges(1, 7)
    for path in ("/", "/login", "/nowhere"):
        text = requests.get(server.url + path, timeout=20).text
        assert "<title>(" not in text
        assert "nav-item" not in text
    assert "<title>(7)" in server.get("/").text
