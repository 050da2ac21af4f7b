"""Two phones edit one file: nobody's words are lost."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.pages.browser import Phone
from tests.support.server import Server


def save(phone: Phone, words: str) -> Page:
    phone.page.get_by_role("textbox", name="Text").fill(words)
    phone.button("Save").click()
    return phone.page


def test_second_phone_sees_both_texts_before_it_decides(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    file = server.sandbox.config_dir / "CLAUDE.md"
    file.write_text("Short answers.\n")
    one, other = open_phone(server), open_phone(server)
    for phone in (one, other):
        phone.page.goto("/claude/files")
        phone.page.get_by_role("link", name="CLAUDE.md").click()
        expect(phone.page.get_by_role("textbox", name="Text")).to_have_value("Short answers.\n")

    expect(save(one, "Long answers.\n").get_by_text("Saved.")).to_be_visible()
    assert file.read_text() == "Long answers.\n"

    other.forgiven.append("409")
    page = save(other, "No answers.\n")
    expect(page.get_by_text("has changed since you opened it")).to_be_visible()
    expect(page.get_by_text("Long answers.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Text")).to_have_value("No answers.\n")
    assert file.read_text() == "Long answers.\n"

    other.button("Save").click()  # with both texts in view
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert file.read_text() == "No answers.\n"
    page.get_by_role("link", name="Until").first.click()
    expect(page.get_by_text("Long answers.")).to_be_visible()
