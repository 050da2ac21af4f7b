"""The menu of a session in a real browser: keys, names, deletion, and the end of a login."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.features.session_page.in_browser.look.reading import covered, set_letters
from tests.features.session_page.in_browser.where.beginning import (
    PROMPTS,
    OpenPhone,
    begin,
    open_session,
)
from tests.support.environment import PASSWORD, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


# --- the menu -------------------------------------------------------------------------------


BEGINNINGS = """links => {
    const rows = new Map();
    const words = document.createTreeWalker(links, NodeFilter.SHOW_TEXT);
    while (words.nextNode()) {
        if (!words.currentNode.data.trim()) continue;
        const range = document.createRange();
        range.selectNodeContents(words.currentNode);
        const { x, bottom } = range.getBoundingClientRect();
        const row = Math.round(bottom / 20);
        rows.set(row, Math.min(x, rows.get(row) ?? Infinity));
    }
    return [...rows.values()];
}"""


def test_the_menu_aligns_its_links_is_used_by_keyboard_and_keeps_the_focus(
    kept_phone: Phone, read_past: str
) -> None:
    phone = kept_phone
    open_session(phone, read_past)
    opener = phone.page.get_by_label("Session menu")
    opener.focus()
    phone.page.keyboard.press("Enter")
    name = phone.page.get_by_label("Name", exact=True)
    expect(name).to_be_visible()
    rows = phone.page.locator(".menu-links", has_text="Go to").evaluate(BEGINNINGS)
    assert len(rows) > 1
    assert max(rows) - min(rows) < 1, rows
    name.focus()
    phone.page.keyboard.press("Escape")
    expect(name).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    phone.page.locator("#transcript").click(position={"x": 5, "y": 5})
    expect(name).to_be_hidden()


def test_the_menu_opens_as_soon_as_its_button_is_there(kept_phone: Phone, read_past: str) -> None:
    """The bar is painted before the rest of the page has come."""
    phone, held = kept_phone, list[Route]()
    phone.links_to_styles("session.css")
    phone.page.route("**/session.css*", lambda route: held.append(route))
    phone.page.goto(read_past, wait_until="commit")
    phone.page.get_by_label("Session menu").click()
    expect(phone.button("Delete session")).to_be_visible()
    until(lambda: phone.page.title() and held, "the rest of the page waits for its style")
    held[0].continue_()
    expect(phone.page.locator("body[data-link=online]")).to_be_attached()
    expect(phone.button("Delete session")).to_be_visible()


def test_a_session_is_named_deleted_and_brought_back(kept_phone: Phone, past: str) -> None:
    phone = kept_phone
    open_session(phone, past)
    phone.page.get_by_label("Session menu").click()
    phone.page.get_by_label("Name", exact=True).fill("Plums")
    with phone.page.expect_navigation():  # the open page shows the new name, too
        phone.button("Rename").click()
    expect(phone.page.get_by_role("heading", name="Plums")).to_be_visible()
    phone.page.get_by_label("Session menu").click()
    phone.forgiven.append("404")  # for what the page still saves of a session that is gone
    phone.button("Delete session").click()
    expect(phone.page.get_by_role("status")).to_contain_text("Deleted “Plums”.")
    expect(phone.page.get_by_text("No sessions here yet")).to_be_visible()
    assert covered(phone.page, ".note .button") == []
    phone.button("Undo").click()
    expect(phone.page.get_by_role("heading", name="Plums")).to_be_visible()
    expect(phone.page.locator(f"#b-prompt-{PROMPTS - 1}")).to_be_in_viewport()


def test_viewer_is_notified_when_the_session_is_deleted_elsewhere(
    server: Server, kept_phone: Phone, past: str
) -> None:
    phone = kept_phone
    open_session(phone, past)
    assert server.post(f"{past}/delete", {}).status_code == 303
    expect(phone.status).to_have_text("Cut off. Reload the page.")
    phone.forgiven.append("404")
    phone.page.reload()
    expect(phone.page.get_by_role("heading", name="Not found")).to_be_visible()


# --- logging out ----------------------------------------------------------------------------


KEEP = """() => {
    sessionStorage.setItem("reasons / /projects/a", "Words");
    sessionStorage.setItem("reasons /below/ /below/projects/a", "Words of another server");
}"""
HAS_FORGOTTEN = "() => !sessionStorage.getItem('reasons / /projects/a')"
REASON = """() => {
    const send = window.fetch;
    window.fetch = (address, options) => String(address).endsWith("/draft")
        ? Promise.reject(new TypeError("Failed to fetch")) : send(address, options);
    const ask = Object.assign(document.createElement("p"), { className: "block-ask" });
    ask.dataset.state = "open";
    ask.innerHTML = '<span class="reason"><textarea id="why"></textarea></span>';
    document.body.append(ask);
}"""
TYPED = "Object.values({ ...sessionStorage }).filter((each) => each.includes('Typed')).length"
"""How many of the two the tab keeps."""
LEAVE = "dispatchEvent(new PageTransitionEvent('pagehide'))"
NEIGHBOURS = "sessionStorage.getItem('reasons /below/ /below/projects/a')"


def test_logout_disconnects_only_pages_of_that_login(server: Server, open_phone: OpenPhone) -> None:
    address = begin(server, ["text", "Hello."])
    phone, other = open_phone(server), open_phone(server, extra_http_headers={"User-Agent": "B"})
    # what the page still saves or fetches, with the login that has ended
    phone.forgiven += ["401", "its MIME type ('text/html') is not executable"]
    open_session(phone, address)
    open_session(other, address)
    elsewhere = phone.page.context.new_page()
    elsewhere.goto("/")
    for page in (elsewhere, phone.page):
        page.evaluate(KEEP)
    prompt, reason = phone.page.get_by_role("textbox", name="Prompt"), phone.page.locator("#why")
    phone.page.evaluate(REASON)
    for field in (prompt, reason):
        field.fill("Typed before")
    phone.page.wait_for_function(f"() => {TYPED} === 2")
    elsewhere.get_by_role("button", name="More").click()
    elsewhere.get_by_role("button", name="Log out").click()
    expect(elsewhere.get_by_text("You are logged out.")).to_be_visible()
    for page in (elsewhere, phone.page):
        page.wait_for_function(HAS_FORGOTTEN)
        assert page.evaluate(NEIGHBOURS), "another server on this host keeps its words"
    expect(phone.status).to_have_text("Logged out.")
    expect(phone.page.get_by_role("link", name="Log in again")).to_have_attribute(
        "href", f"/login?next={address}"
    )
    expect(other.status).to_have_text("Ready for the next prompt")
    other.forgiven += [*phone.forgiven, "WebSocket connection to", "htmx:ws:error"]
    other.page.context.clear_cookies()  # as those of a phone that has slept for too long
    other.page.evaluate("dispatchEvent(new Event('offline'))")
    expect(other.status).to_have_text("Logged out.")
    assert phone.page.evaluate(f"{LEAVE}, {TYPED}") == 0, "what was typed before"
    reason.fill("Typed since")
    assert phone.page.evaluate(f"{LEAVE}, {TYPED}") == 1
    phone.page.evaluate("document.querySelector('.block-ask').remove()")
    prompt.fill("Typed\nsince\nthen")
    phone.page.set_viewport_size({"width": 390, "height": 420})  # by the keyboard
    again = phone.page.get_by_role("link", name="Log in again")
    set_letters(phone.page, 32)
    expect(again).to_be_in_viewport(ratio=0.99)
    set_letters(phone.page, 16)
    again.click()  # which does not move when the field loses the focus
    phone.page.get_by_label("Password", exact=True).fill(PASSWORD)
    phone.button("Log in").click()
    expect(prompt).to_have_value("Typed\nsince\nthen")
    phone.page.evaluate(KEEP)
    phone.page.evaluate("localStorage.clear()")  # as a person does, or a browser without space
    phone.page.reload()
    phone.page.wait_for_load_state()
    assert not phone.page.evaluate(HAS_FORGOTTEN), "there was no logout since"
    phone.page.evaluate("localStorage.setItem('logout /', '1')")  # this tab missed it
    phone.page.reload()
    phone.page.wait_for_function(HAS_FORGOTTEN)
