"""Screens, badges and parts of the navigation."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from opcode_htmx.app.navigation.entries import PLATFORM
from opcode_htmx.app.registry import FEATURES

IN_BAR = 3
LOG_OUT = 1
OWN = sum(len(each.nav) for each in FEATURES) + len(PLATFORM) + LOG_OUT - IN_BAR
"""Our own entries behind More: Search, Logins and so on."""

TALL, KEYBOARD, NARROW, LANDSCAPE = (390, 844), (390, 420), (320, 480), (844, 390)

LONG = "/made-up/4"
"""A page of many lines, whose entry has the longest word and stands behind "More"."""


def size(page: Page, of: tuple[int, int]) -> None:
    page.set_viewport_size({"width": of[0], "height": of[1]})


def enlarge(page: Page) -> None:
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    expect(page.locator("html")).to_have_css("font-size", "32px")


def more(page: Page) -> Locator:
    return page.locator(".nav-more button")


def sheet(page: Page) -> Locator:
    return page.locator("#nav-sheet")


OUT_OF_REACH = """items => items.filter(each => {
        each.scrollIntoView({ block: "nearest" });
        const box = each.getBoundingClientRect();
        const on = (x, y) => each.contains(document.elementFromPoint(x, y));
        const middle = (box.left + box.right) / 2;
        return box.height < 48 || box.left < 0 || box.right > innerWidth
            || !on(middle, box.top + 4) || !on(middle, box.bottom - 4);
    }).map(each => each.textContent)"""
