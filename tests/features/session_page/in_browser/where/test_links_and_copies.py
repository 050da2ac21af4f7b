"""Links to blocks, words that are found, and copies, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.features.session_page.in_browser.where.beginning import (
    OpenPhone,
    begin,
    open_session,
    said,
    text,
)
from tests.support.environment import until
from tests.support.pages import dom
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"

# --- links ----------------------------------------------------------------------------------


def test_a_link_to_a_block_far_up_leads_there(kept_phone: Phone, read_past: str) -> None:
    phone = kept_phone
    phone.page.goto(f"{read_past}#b-prompt-3")
    block = phone.page.locator("#b-prompt-3")
    expect(block).to_be_in_viewport()
    expect(block).to_have_class(re.compile(r"\bhere\b"))
    phone.page.evaluate("location.hash = '#b-prompt-9'")
    expect(phone.page.locator("#b-prompt-9")).to_have_class(re.compile(r"\bhere\b"))
    expect(phone.page.locator(".here")).to_have_count(1)


# --- copies ---------------------------------------------------------------------------------

ANSWER = "Some *words*.\n\n```\ncode of mine\n```\n\nThe end."


def pasted(page: Page) -> str:
    """The text that a paste puts into the composer."""
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.fill("")
    prompt.press("Control+v")
    expect(prompt).not_to_have_value("")
    return prompt.input_value()


def test_a_message_is_copied_as_text_as_markdown_and_as_a_link_also_over_plain_http(
    server: Server, open_phone: OpenPhone
) -> None:
    phone = open_phone(server, permissions=["clipboard-read", "clipboard-write"])
    address = begin(server, said("n", text("Before.")), said("m", text(ANSWER)))
    open_session(phone, address)
    got = {what: copied(phone, what) for what in ("link", "text", "markdown")}
    assert got["markdown"] == f"Before.\n\n{ANSWER}"
    assert got["text"].split() == ["Before.", "Some", "words.", "code", "of", "mine", "The", "end."]
    phone.page.goto(got["link"])
    expect(phone.page.locator("#b-m-0")).to_be_in_viewport()

    phone.page.add_init_script(NO_CLIPBOARD)  # how the rest is made is the same
    phone.page.goto("about:blank")
    open_session(phone, address)
    assert copied(phone, "markdown") == got["markdown"]
    text_stays_selected_when_copying_fails(phone.page)


def copied(phone: Phone, what: str) -> str:
    """What the sheet of the answer puts into the clipboard."""
    sheet = phone.page.get_by_role("dialog", name="Link, copy, fork")
    phone.page.locator(".block-summary").hover()
    phone.page.locator(".block-summary > .more").click()  # one for the whole answer
    button = sheet.get_by_role("button", name=f"Copy {what}")
    button.click()
    expect(button.or_(sheet.get_by_role("button", name="Copied"))).to_have_text("Copied")
    phone.page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    return pasted(phone.page)


def text_stays_selected_when_copying_fails(page: Page) -> None:
    page.evaluate("() => { document.execCommand = () => false; }")
    page.locator("#b-m-0 pre").hover()
    button = page.locator(".code-tools button").last
    button.click()
    expect(button).to_have_text("Selected: copy it now")
    assert page.evaluate("getSelection().toString().trim()") == "code of mine"


def test_a_tap_on_the_copy_menu_is_kept_while_its_script_is_on_its_way(
    server: Server, open_phone: OpenPhone
) -> None:
    phone = open_phone(server)
    open_session(phone, begin(server, said("m", text(ANSWER))))
    phone.forgiven.append("ERR_FAILED")  # what is refused here
    held: list[Route] = []
    phone.page.route("**/copy.js*", lambda route: held.append(route))
    address, alert = phone.page.url, phone.page.get_by_role("alert")
    sheet = phone.page.get_by_role("dialog", name="Link, copy, fork")

    def tap() -> None:
        phone.page.locator(".block-summary").hover()
        phone.page.locator(".block-summary > .more").click()

    tap()
    until(lambda: phone.page.title() and held, "the script is on its way")
    expect(sheet).to_have_count(0)
    held.pop().abort()
    expect(alert).to_have_text("The menu could not be loaded. Try again.")
    tap()
    until(lambda: phone.page.title() and held, "the script is on its way again")
    replaced = "block => { block.replaceWith(block.cloneNode(true)); }"
    phone.page.locator(".block-summary").evaluate(replaced)
    held.pop().continue_()
    expect(sheet).to_be_visible()
    expect(alert).to_be_empty()
    phone.page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()

    phone.page.route("**/share", lambda route: route.abort())
    tap()
    expect(alert).to_have_text("The menu could not be loaded. Try again.")
    assert phone.page.url == address

    phone.page.unroute("**/share")
    # logged out: the login stands in the place of the page, and of what that still fetches
    phone.forgiven += ["401", "its MIME type ('text/html') is not executable"]
    phone.page.context.clear_cookies()
    tap()
    phone.page.wait_for_url("**/share")
    phone.page.get_by_label("Password").wait_for()


def test_a_block_can_be_copied_without_javascript(server: Server) -> None:
    address = begin(server, said("m", text(ANSWER)))
    more = re.compile(r'<a class="more"[^>]*href="([^"]+/share)"')
    until(lambda: "tokens in," in server.get(address).text, "it is said")
    page = dom.parse(server.get(more.findall(server.get(address).text)[-1]).text)
    assert ANSWER in [each.text.strip("\n") for each in page.walk() if each.tag == "textarea"]
    (back,) = (n for n in page.walk() if n.attributes.get("aria-label") == "Back to the session")
    path, _, place = (back.attributes["href"] or "").partition("#")
    assert path.partition("?")[0] == address
    assert f'id="{place}"' in server.get(path).text
