"""What a person reads on the page of a session, and where it stands on the screen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.features.session_page.in_browser.look.lines import NAME
from tests.support.environment import until
from tests.support.pages.browser import PHONE, Phone
from tests.support.pages.page_checks import (
    WIDTHS,
    sticks_out,
    wait_until_pressable,
)
from tests.support.server import Server

SPACE_BESIDE_WORDS = """buttons => buttons.map(each => {
    const words = document.createRange();
    words.selectNodeContents(each);
    return words.getBoundingClientRect().left - each.getBoundingClientRect().left;
})"""
"""In pixels, of each button that is shown or not."""

OpenPhone = Callable[..., Phone]
StartServer = Callable[..., Server]


def play(phone: Phone, project: Path, *steps: list[object]) -> None:
    phone.begin(project, json.dumps(steps))


def answer(phone: Phone, number: int) -> Locator:
    return phone.page.locator(".block-text", has_text=f"Number {number}. ")


def answers_are_there(phone: Phone, count: int) -> None:
    """The newest of them, that is: the page may not have fetched the earlier ones."""
    expect(answer(phone, count - 1)).to_have_count(1)
    expect(phone.page.locator("#queue li")).to_have_count(0)


# Measurements
def covered(page: Page, selector: str) -> list[str]:
    """The controls that are not wholly on the screen, or lie under something else."""
    wait_until_pressable(page)
    found: list[str] = page.locator(selector).evaluate_all(
        """controls => controls.filter(each => each.checkVisibility()).filter(each => {
            const box = each.getBoundingClientRect();
            const inside = box.left >= 0 && box.top >= 0 && box.width > 0
                && box.right <= innerWidth && box.bottom <= innerHeight;
            const on = (x, y) => each.contains(document.elementFromPoint(x, y));
            const middle = (box.top + box.bottom) / 2;
            return !(inside && on(box.left + 6, middle) && on(box.right - 6, middle)
                && on((box.left + box.right) / 2, box.top + 4)
                && on((box.left + box.right) / 2, box.bottom - 4));
        }).map(each => each.outerHTML.slice(0, 80))"""
    )
    return found


def to_go(page: Page) -> float:
    """The distance of the view from the end, in pixels."""
    return float(
        page.evaluate(
            "document.scrollingElement.scrollHeight - document.scrollingElement.scrollTop"
            " - innerHeight"
        )
    )


def is_at_the_end(page: Page) -> None:
    until(lambda: to_go(page) < 2, "the end of the transcript is in view")


SHIFTS = """
    window.shifts = [];
    new PerformanceObserver(list => {
        for (const each of list.getEntries()) if (!each.hadRecentInput) shifts.push(each.value);
    }).observe({ type: "layout-shift", buffered: true });
"""


def wait_for_content(phone: Phone) -> None:
    expect(phone.button("Answer")).to_be_visible()
    expect(phone.page.locator("#errors")).to_contain_text("warning")


def set_letters(page: Page, size: int) -> None:
    """In the browser's own setting, which changes what `rem` means in media queries too."""
    protocol = page.context.new_cdp_session(page)
    protocol.send("Page.setFontSizes", {"fontSizes": {"standard": size, "fixed": size}})
    expect(page.locator("html")).to_have_css("font-size", f"{size}px")


def letters_of_twice_the_size_fit(phone: Phone) -> None:
    """On the page of the session that shows everything."""
    set_letters(phone.page, 32)
    phone.page.reload()
    wait_for_content(phone)
    expect(phone.page.locator("#usage")).to_be_hidden()  # the words of the state have its space
    assert sticks_out(phone.page) <= 0
    assert phone.status.evaluate(
        "each => each.scrollWidth <= each.clientWidth && each.scrollHeight <= each.clientHeight"
    ), "all words of the state are shown"
    badge = phone.page.locator("#needs b")
    phone.page.evaluate("document.getElementById('needs').hidden = false")
    box = badge.bounding_box()
    assert box
    assert abs(box["width"] - box["height"]) < 1, "round"
    controls = "#composer textarea, #composer .button:not(.dictate), .topbar .back"
    assert covered(phone.page, controls) == []
    words_and_signs_of_a_session_grow(phone)
    set_letters(phone.page, 16)


STICKING_OUT = """() => [false, true].flatMap(open => {
    for (const card of document.querySelectorAll("details:not([data-loads])")) card.open = open;
    const wide = [...document.querySelectorAll(".block, .todos")]
        .filter(each => each.getBoundingClientRect().right > innerWidth + 1).map(each => each.id);
    const by = document.documentElement.scrollWidth - innerWidth;
    return by > 0 || wide.length ? [[open ? "open" : "closed", by, ...wide]] : [];
})"""


def wider_than_the_screen(page: Page) -> list[tuple[int, object]]:
    """In which width, and what, with all cards closed and with all open."""
    wide = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 700})
        if found := page.evaluate(STICKING_OUT):
            wide.append((width, found))
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    return wide


LOWER_THAN_ITS_CONTENT = """rows => rows.filter(each => each.scrollHeight > each.clientHeight + 1)
    .map(each => each.outerHTML.slice(0, 80))"""


def words_and_signs_of_a_session_grow(phone: Phone) -> None:
    page = phone.page
    name = page.locator(".tool-summary.path bdi", has_text=NAME)
    assert name.evaluate("each => each.scrollWidth <= each.clientWidth"), "the file's name is cut"
    expect(page.locator(".topbar h1")).to_have_css("-webkit-line-clamp", "2")
    for sign in (".attach svg", ".menu-button svg"):
        box = page.locator(sign).bounding_box()
        assert box and box["width"] > 30, sign
    page.set_viewport_size({"width": 320, "height": 420})
    assert min(page.locator(".decide .button").evaluate_all(SPACE_BESIDE_WORDS)) >= 8
    phone.button("Session menu").click()  # the composer, with its Stop, is below a long request
    expect(page.locator("#menu").get_by_role("button", name="Stop")).to_be_in_viewport(ratio=1)
    assert page.locator("#menu > *").evaluate_all(LOWER_THAN_ITS_CONTENT) == []
    page.keyboard.press("Escape")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]


def overviews_fit(page: Page) -> None:
    """Those that show something of sessions, in all widths and in letters of twice the size."""
    for path in ("/", "/runs"):
        page.goto(path)
        assert wider_than_the_screen(page) == [], path
        set_letters(page, 32)
        assert sticks_out(page) <= 0, path
        assert covered(page, ".topbar a, .nav-bar .nav-item") == [], path
        set_letters(page, 16)
