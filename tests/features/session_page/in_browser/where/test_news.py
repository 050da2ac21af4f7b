"""Orientation in a real browser: what is new, and how one comes to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.features.session_page.in_browser.look.reading import covered
from tests.features.session_page.in_browser.where.beginning import (
    OpenPhone,
    begin,
    open_session,
    said,
    text,
)
from tests.support.environment import until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def long_answer(count: int) -> list[list[object]]:
    return [said(f"m{n}", text(f"Word {n}. " + "On and on. " * 40)) for n in range(count)]


def test_output_during_sleep_is_marked_on_each_phone(
    server: Server, kept_phone: Phone, open_phone: OpenPhone, gate: Path
) -> None:
    phone = kept_phone
    address = begin(
        server,
        *long_answer(6),
        ["wait", str(gate)],
        *(said(f"new{n}", text(f"New {n}. " + "On and on. " * 40)) for n in range(5)),
    )
    open_session(phone, address)
    expect(phone.transcript).to_contain_text("Word 5.")
    line = phone.page.locator("#new-since")
    expect(line).to_have_count(0)
    with phone.page.expect_request("**/seen"):
        phone.lock()
    gate.touch()
    until(lambda: "New 4." in server.get(address).text, "it goes on")

    other = open_phone(server)
    open_session(other, address)
    behind(other, "b-m5-0")
    way = other.page.get_by_role("link", name="6 new messages since you left")
    assert covered(other.page, "#to-new") == []
    way.click()
    expect(other.page.locator("#new-since")).to_be_in_viewport()
    expect(way).to_be_hidden()

    phone.unlock()
    expect(phone.transcript).to_contain_text("New 4.")
    behind(phone, "b-m5-0")
    phone.page.get_by_role("link", name="6 new messages since you left").click()
    expect(phone.page.locator("#new-since")).to_be_in_viewport()

    # read to the end, it is not new any more; no other device needs an update
    phone.page.evaluate("scrollTo(0, document.scrollingElement.scrollHeight)")
    until(lambda: 'id="new-since"' not in server.get(address).text, "it is read")


def test_what_comes_after_a_phone_was_unlocked_is_not_new(
    server: Server, kept_phone: Phone, gate: Path
) -> None:
    address = begin(server, *long_answer(6), ["wait", str(gate)], said("new", text("The newest.")))
    phone = kept_phone
    open_session(phone, address)
    expect(phone.transcript).to_contain_text("Word 5.")
    phone.lock()
    is_current = phone.page.evaluate_handle(
        """() => ({ at: new Promise(resolve => document.addEventListener(
            "htmx:ws:after:message:incoming", resolve, { once: true })) })"""
    )
    phone.unlock()
    is_current.evaluate("async ({ at }) => { await at; }")
    gate.touch()
    expect(phone.transcript).to_contain_text("The newest.")
    expect(phone.status).to_have_text("Ready for the next prompt")
    expect(phone.page.locator("#new-since")).to_have_count(0)


def test_loading_the_page_again_in_the_middle_of_an_answer_marks_nothing_as_new(
    server: Server, kept_phone: Phone, gate: Path
) -> None:
    phone = kept_phone
    address = begin(server, *long_answer(6), ["wait", str(gate)], said("new", text("The newest.")))
    until(lambda: "Word 5." in server.get(address).text, "there is something to read")
    assert server.post(f"{address}/seen", {"block": "b-m5-0", "quiet": "1"}).ok
    # while messages come one upon the other the page sends no position
    phone.page.route("**/seen", lambda route: route.fulfill(status=204))
    open_session(phone, address)
    expect(phone.page.locator("#new-since")).to_have_count(0)
    gate.touch()
    expect(phone.transcript).to_contain_text("The newest.")
    assert 'id="new-since"' in server.get(address).text
    phone.page.reload()
    expect(phone.page.locator("#new-since")).to_have_count(0)
    expect(phone.page.locator("#to-new")).to_be_hidden()


def behind(phone: Phone, block: str) -> None:
    expect(phone.page.locator(f"#{block} + #new-since")).to_have_text("New since you left")
