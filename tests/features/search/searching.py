"""A search by the form of its page."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page

from tests.support.server import Server


def search_for(page: Page, words: str, scripted: bool) -> None:
    field = page.get_by_role("searchbox")
    field.fill(words)
    if scripted:
        page.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get("q") == [words])
    else:
        page.get_by_role("button", name="Search", exact=True).click()


def fill_filters(page: Page, server: Server, **choices: str) -> None:
    """Open the filters, and set all but those of one kind of text, which are `choices`."""
    page.get_by_text("Filters", exact=True).click()
    chosen = {"project": str(server.sandbox.project), "tool": "Bash", "branch": "main", **choices}
    for name, value in chosen.items():
        page.locator(f"select[name={name}]").select_option(value)
    page.get_by_label("File that was").fill("pie.py")
    page.locator("[name=since]").fill("2026-11-01")
    page.locator("[name=until]").fill("2026-11-30")
    for switch in page.locator(".search-check input").all():
        switch.check()
