"""Twenty entries fit: a bar on phones, a rail on wide screens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest
from flask import Blueprint, Flask
from playwright.sync_api import Page, expect

from opcode_htmx.app import platform
from opcode_htmx.app.navigation import entries as navigation
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib import resources
from tests.app.pages.navigation.screens import (
    IN_BAR,
    KEYBOARD,
    LANDSCAPE,
    LONG,
    NARROW,
    OUT_OF_REACH,
    OWN,
    TALL,
    enlarge,
    more,
    size,
)
from tests.features.session_page.in_browser.look.reading import covered
from tests.support.apps.many_features import LABELS, MADE_UP
from tests.support.pages.browser import PHONE, Phone
from tests.support.pages.page_checks import COLOURS, Violation, sticks_out, violations
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120), pytest.mark.usefixtures("integration")]


PHONES = (TALL, KEYBOARD, NARROW, LANDSCAPE, (899, 700))
WIDE = ((900, 700), (1280, 800))

BOXES = "items => items.map(each => each.getBoundingClientRect().toJSON())"
BROKEN_WORDS = """labels => labels.filter(each => each.checkVisibility()).filter(each => {
        const range = document.createRange();
        range.selectNodeContents(each);
        return range.getClientRects().length > 1;
    }).map(each => each.textContent)"""


# The bar of a phone
@pytest.mark.parametrize("letters", ["ordinary", "twice the size"])
def test_the_bar_holds_three_entries_and_more_within_reach_of_a_thumb(
    page: Page, badges: Callable[[int, int], None], letters: str
) -> None:
    badges(4, 1370)
    page.goto(LONG)
    if letters != "ordinary":
        enlarge(page)
    items = page.locator(".nav-bar .nav-item")
    for at in PHONES:
        size(page, at)
        labels = items.locator(".nav-label")
        assert labels.all_inner_texts() == ["Home", "Running", "New", "More"]
        assert covered(page, ".nav-bar .nav-item") == [], at
        assert sticks_out(page) <= 0, at
        for box in items.evaluate_all(BOXES):
            assert (box["height"] >= 48, box["width"] >= 48) == (True, True), (at, box)
            assert at[1] - 100 < box["y"] + box["height"] <= at[1]
        assert labels.evaluate_all(BROKEN_WORDS) == [], at
        badge = page.locator("#badge-more").bounding_box()
        assert badge
        assert badge["x"] + badge["width"] <= at[0], at


def test_bar_covers_neither_the_end_of_a_page_nor_a_focused_element(
    page: Page,
) -> None:
    for path, sizes in (
        ("/new", (TALL, KEYBOARD)),
        (LONG, (TALL, KEYBOARD, NARROW, LANDSCAPE)),
    ):
        page.goto(path)
        for at in sizes:
            size(page, at)
            page.evaluate("scrollTo(0, document.scrollingElement.scrollHeight)")
            end, bar = page.locator("main").bounding_box(), page.locator(".nav").bounding_box()
            assert end
            assert bar
            assert end["y"] + end["height"] <= bar["y"] + 0.5, (path, at)
    page.evaluate("scrollTo(0, 0)")
    link = page.get_by_role("link", name="Line 6", exact=True)
    link.focus()
    for _ in range(10):
        page.keyboard.press("Tab")
        assert covered(page, "main a:focus") == []


def test_a_long_label_in_the_bar_takes_two_lines(page: Page) -> None:
    page.goto("/")
    label = page.locator(".nav-bar .nav-label").first
    for text in (LABELS[3], LABELS[4]):
        label.evaluate("(label, text) => { label.textContent = text; }", text)
        for at in (NARROW, LANDSCAPE):
            size(page, at)
            assert sticks_out(page) <= 0
            assert covered(page, ".nav-bar .nav-item") == []
            bar = page.locator(".nav").bounding_box()
            assert bar
            assert bar["height"] <= 80


def test_a_bar_on_paper_would_be_of_no_use(page: Page) -> None:
    page.goto("/")
    expect(page.locator(".nav")).to_be_visible()
    page.emulate_media(media="print")
    for at in (TALL, WIDE[1]):
        size(page, at)
        expect(page.locator(".nav")).to_be_hidden()
        expect(page.locator("body")).to_have_css("padding-left", "0px")


# The rail of a wide screen
def test_from_900_pixels_all_entries_stand_in_a_rail_beside_the_page(page: Page) -> None:
    page.goto(LONG)
    for at in WIDE:
        size(page, at)
        expect(more(page)).to_be_hidden()
        items = page.locator(".nav .nav-item:visible")
        assert items.count() == IN_BAR + MADE_UP + OWN
        assert items.evaluate_all(OUT_OF_REACH) == []
        rail, main = page.locator(".nav").bounding_box(), page.locator("main").bounding_box()
        assert rail
        assert main
        assert (rail["x"], rail["y"], rail["height"]) == (0, 0, at[1])
        assert main["x"] >= rail["width"]
        middle = rail["width"] + (page.evaluate("innerWidth") - rail["width"]) / 2
        assert abs(main["x"] + main["width"] / 2 - middle) < 12, "centred in the rest"
        assert sticks_out(page) <= 0


def test_a_sessions_page_has_the_rail_and_never_the_bar(phone: Phone, server: Server) -> None:
    page = phone.page
    phone.begin(server.sandbox.project, '[["text", "Hello."]]')
    expect(phone.status).to_have_text("Ready for the next prompt")
    expect(page.locator(".nav")).to_be_hidden()
    page.get_by_role("button", name="Session menu").click()
    sheet = page.locator("#menu").bounding_box()
    assert sheet
    assert (sheet["x"], sheet["width"]) == (0, PHONE["width"])
    assert sheet["y"] + sheet["height"] == PHONE["height"], "at the bottom, where the thumb is"
    assert sheet["y"] >= 0.33 * PHONE["height"]
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Details of the status").click()  # a way that begins there
    page.locator("#status-sheet").get_by_role("button", name="Session menu").click()
    expect(page.locator("#menu")).to_be_visible()
    assert covered(page, "#menu button, #menu input:not([type=hidden]), #menu a") == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#status-sheet")).to_be_hidden()
    for at in WIDE:
        size(page, at)
        rail = page.locator(".nav").bounding_box()
        assert rail
        assert (
            covered(page, "#composer textarea, #composer .button, .topbar a, .topbar button") == []
        )
        for part in (".topbar", "#transcript", "#dock"):
            box = page.locator(part).bounding_box()
            assert box
            assert box["x"] >= rail["width"], part
            assert box["x"] + box["width"] <= at[0], part
        page.get_by_role("button", name="Session menu").click()
        menu = page.locator("#menu").bounding_box()
        button = page.get_by_role("button", name="Session menu").bounding_box()
        assert menu
        assert button
        assert abs(menu["x"] + menu["width"] - button["x"] - button["width"]) <= 16
        page.keyboard.press("Escape")
        assert sticks_out(page) <= 0


# All of it
def test_axe_finds_no_violation(page: Page, badges: Callable[[int, int], None]) -> None:
    def in_both_schemes() -> list[Violation]:
        """Which differ in their colours only; see the tests of the appearance."""
        page.emulate_media(color_scheme="light")
        found = violations(page)
        page.emulate_media(color_scheme="dark")
        return [*found, *violations(page, *COLOURS)]

    for number in (2, 4):
        badges(number, 12)
    page.goto(LONG)
    assert in_both_schemes() == []
    more(page).click()
    assert in_both_schemes() == []
    page.keyboard.press("Escape")
    size(page, WIDE[1])
    assert in_both_schemes() == []


def test_an_entry_with_an_unknown_symbol_is_refused_when_the_app_is_built() -> None:
    def routes(context: AppContext) -> Iterable[Blueprint]:
        yield from ()

    feature = Feature("odd", routes, nav=(NavItem("odd.page", "Odd", icon="unicorn", order=1),))
    app = Flask("odd", template_folder=str(Path(resources.TEMPLATES)))
    app.add_template_global(lambda: "", "csrf_token")
    with pytest.raises(ValueError, match="no symbol unicorn"):
        navigation.register(app, [feature], cast(AppContext, None))


def test_a_badge_that_cannot_be_counted_is_logged_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def badge(context: AppContext) -> int:
        raise RuntimeError("no count")

    item = NavItem("odd.page", "Odd", icon="folder", order=1, badge=badge)
    assert navigation._badge(item, cast(AppContext, None)).count == 0
    assert "odd.page could not be counted" in caplog.text


@pytest.mark.parametrize("names", [("odd", "odd"), ("vendor",), ("a/b",), ("",)])
def test_a_feature_s_name_is_its_own_and_no_common_folder_s(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot have the name"):
        platform.make_app([Feature(name) for name in names])
