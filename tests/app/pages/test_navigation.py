"""Twenty entries fit: a bar and a sheet on phones, a rail on wide screens, also without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal, cast

import pytest
import requests
from flask import Blueprint, Flask
from playwright.sync_api import Browser, Locator, Page, expect

from opcode_htmx.app import platform
from opcode_htmx.app.navigation import entries as navigation
from opcode_htmx.app.navigation.entries import PLATFORM
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib import resources
from tests.features.session_page.in_browser.test_look import covered
from tests.support.apps.many_features import LABELS, MADE_UP
from tests.support.environment import Sandbox, Server, write_stand_in
from tests.support.pages.browser import PHONE, Phone
from tests.support.pages.page_checks import sticks_out, violations

IN_BAR = 3
LOG_OUT = 1
OWN = sum(len(each.nav) for each in FEATURES) + len(PLATFORM) + LOG_OUT - IN_BAR
"""Our own entries behind More: Search, Logins and so on."""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120), pytest.mark.usefixtures("integration")]

OpenPhone = Callable[..., Phone]

TALL, KEYBOARD, NARROW, LANDSCAPE = (390, 844), (390, 420), (320, 480), (844, 390)
PHONES = (TALL, KEYBOARD, NARROW, LANDSCAPE, (899, 700))
WIDE = ((900, 700), (1280, 800))
LONG = "/made-up/4"
"""A page of many lines, whose entry has the longest word and stands behind "More"."""


class ManyFeatures(Server):
    app = "tests.support.apps.many_features:app()"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("navigation")
    sandbox, claude = Sandbox(folder / "home").make(), write_stand_in(folder / "claude")
    server = ManyFeatures(sandbox, claude, "http://127.0.0.1:9")
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
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


def size(page: Page, of: tuple[int, int]) -> None:
    page.set_viewport_size({"width": of[0], "height": of[1]})


def enlarge(page: Page) -> None:
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    expect(page.locator("html")).to_have_css("font-size", "32px")


def more(page: Page) -> Locator:
    return page.locator(".nav-more button")


def sheet(page: Page) -> Locator:
    return page.locator("#nav-sheet")


def set_badge(server: Server, number: int, count: int) -> None:
    (server.sandbox.state / f"badge-{number}").write_text(str(count))


@pytest.fixture
def badges(server: Server) -> Iterator[Callable[[int, int], None]]:
    """Sets the badge of a made-up feature; afterwards none has one."""
    yield lambda number, count: set_badge(server, number, count)
    for file in server.sandbox.state.glob("badge-*"):
        file.unlink()


CUT_WORDS = """labels => labels.filter(each => each.checkVisibility()
        && each.scrollWidth > each.clientWidth).map(each => each.textContent)"""
BROKEN_WORDS = """labels => labels.filter(each => each.checkVisibility()).filter(each => {
        const range = document.createRange();
        range.selectNodeContents(each);
        return range.getClientRects().length > 1;
    }).map(each => each.textContent)"""
OUT_OF_REACH = """items => items.filter(each => {
        each.scrollIntoView({ block: "nearest" });
        const box = each.getBoundingClientRect();
        const on = (x, y) => each.contains(document.elementFromPoint(x, y));
        const middle = (box.left + box.right) / 2;
        return box.height < 48 || box.left < 0 || box.right > innerWidth
            || !on(middle, box.top + 4) || !on(middle, box.bottom - 4);
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
        for box in (each.bounding_box() for each in items.all()):
            assert box
            assert (box["height"] >= 48, box["width"] >= 48) == (True, True), (at, box)
            assert at[1] - 100 < box["y"] + box["height"] <= at[1]
        assert labels.evaluate_all(BROKEN_WORDS) == [], at
        badge = page.locator("#badge-more").bounding_box()
        assert badge
        assert badge["x"] + badge["width"] <= at[0], at


def test_bar_covers_neither_the_end_of_a_page_nor_a_focused_element(
    page: Page,
) -> None:
    for at in (TALL, KEYBOARD, NARROW, LANDSCAPE):
        size(page, at)
        for path in (LONG, "/new") if at in (TALL, KEYBOARD) else (LONG,):
            page.goto(path)
            page.evaluate("scrollTo(0, document.scrollingElement.scrollHeight)")
            end, bar = page.locator("main").bounding_box(), page.locator(".nav").bounding_box()
            assert end
            assert bar
            assert end["y"] + end["height"] <= bar["y"] + 0.5, (path, at)
    page.goto(LONG)
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


# The sheet behind "More"


@pytest.mark.parametrize("letters", ["ordinary", "twice the size"])
def test_every_other_entry_is_in_the_sheet_and_can_be_scrolled_to(
    page: Page, badges: Callable[[int, int], None], letters: str
) -> None:
    for number in (0, 3, 4):
        badges(number, 999)
    for at in (NARROW, LANDSCAPE, TALL):
        size(page, at)
        page.goto(LONG)
        if letters != "ordinary":
            enlarge(page)
        more(page).click()
        items = sheet(page).locator(".nav-item")
        assert items.count() == MADE_UP + OWN
        assert sticks_out(page) <= 0
        assert sheet(page).locator(".nav-label").evaluate_all(CUT_WORDS) == []
        assert items.evaluate_all(OUT_OF_REACH) == [], at


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
        ("/runs", "Running", "page"),
        ("/new", "New", "page"),
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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation(
    page: Page, badges: Callable[[int, int], None], theme: Literal["light", "dark"]
) -> None:
    for number in (2, 4):
        badges(number, 12)
    page.emulate_media(color_scheme=theme)
    page.goto(LONG)
    assert violations(page) == []
    more(page).click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    size(page, WIDE[1])
    assert violations(page) == []


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
