"""The prompt of the start page: it begins a session, and its words are not lost."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.sessions.storage.drafts import Drafts, draft_name
from tests.features.home.start_page.sessions import begin, press
from tests.support.environment import until
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import misfits, violations
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_prompt_of_the_start_page_begins_a_session_and_survives_leaving(
    server: Server, phone: Phone
) -> None:
    page = phone.page
    page.goto("/")
    field = page.get_by_role("textbox", name="New session: prompt")
    field.fill("Water the trees")
    phone.button("Options").click()
    page.wait_for_url("**/new")
    prompt = page.get_by_role("textbox", name="Prompt")
    expect(prompt).to_have_value("Water the trees")
    expect(prompt).to_be_focused()
    expect(prompt).to_have_js_property("selectionEnd", len("Water the trees"))
    page.goto("/")
    expect(field).to_have_value("Water the trees")
    phone.forgiven.append("ERR_")
    note = page.locator("#home-note")
    for button, failure in (
        ("Send", "Not sent: no connection. Tap Send to try again."),
        ("Options", "No connection. Your words are kept."),
    ):
        page.route("**/*", lambda route: route.abort())  # the phone does not notice it
        phone.button(button).click()
        expect(note).to_have_text(failure)
        page.unroute("**/*")
        expect(note).to_have_text(f"The connection is back. Tap {button} again.")
    expect(field).to_have_value("Water the trees")
    phone.button("Send").click()
    page.wait_for_url("**/sessions/**")
    assert project_id(Path(server.sandbox.project)) in page.url
    expect(page.locator(".block-text")).to_have_text("Water the trees")
    page.goto("/")
    expect(field).to_have_value("")


def test_prompt_of_the_start_page_keeps_its_words_without_javascript(server: Server) -> None:
    assert press(server, "Options", prompt="Prune the trees") == "/new"
    assert "\nPrune the trees</textarea>" in server.get("/new").text
    assert "\nPrune the trees</textarea>" in server.get("/").text
    begun = press(server, "Send", prompt="Prune the trees")
    until(lambda: "Prune the trees" in server.get(begun).text, "the session has the prompt")
    assert "Prune the trees</textarea>" not in server.get("/").text


def test_newer_words_of_another_page_are_not_lost_to_an_older_start_page(
    server: Server, phone: Phone, open_phone: Callable[..., Phone]
) -> None:
    desk = open_phone(server, viewport={"width": 360, "height": 740})
    phone.forgiven.append("409 (CONFLICT)")
    desk.page.goto("/")
    here = desk.page.get_by_role("textbox", name="New session: prompt")
    phone.page.goto("/")
    there = phone.page.get_by_role("textbox", name="New session: prompt")

    def kept() -> str:
        return Drafts(server.sandbox.state / "drafts").get(draft_name("")).text

    here.fill("Graft the apples")
    until(lambda: kept() == "Graft the apples", "it is saved")
    expect(there).to_have_value("Graft the apples")  # by itself: nothing was typed there
    phone.page.route(f"{server.url}/", lambda route: route.abort())  # this page grows old
    phone.forgiven.append("ERR_FAILED")
    here.fill("Graft the apples and the plums")
    until(lambda: kept().endswith("plums"), "it is saved")
    there.fill("Dig the pond")
    other = phone.page.get_by_text("You have written something else on another page")
    expect(other).to_be_visible()
    expect(phone.page.locator("blockquote")).to_have_text("Graft the apples and the plums")
    assert misfits(phone.page) == {}
    assert violations(phone.page) == []
    assert kept() == "Graft the apples and the plums"
    phone.button("Add it to this").click()
    expect(there).to_have_value("Graft the apples and the plums\n\nDig the pond")
    until(lambda: kept().endswith("Dig the pond"), "both are saved")
    expect(other).to_be_hidden()
    there.fill("Only the pond")
    until(lambda: kept() == "Only the pond", "words of its own are replaced")
    there.fill("")
    until(lambda: not kept(), "nothing is left")


def test_options_of_an_older_start_page_show_the_words_of_both_without_javascript(
    server: Server,
) -> None:
    page = server.get("/").text
    seen = re.search(r'name="seen" value="(\w*)"', page)
    assert seen
    server.post("/new/draft", {"prompt": "From the phone", "by": "phone"})
    form = {"prompt": "From the desk", "seen": seen[1], "open": "1", "prompt_id": str(uuid.uuid4())}
    assert server.post("/new/draft", form).headers["Location"] == "/new"
    assert "\nFrom the phone\n\nFrom the desk</textarea>" in server.get("/new").text
    refused = server.post(
        "/sessions", {**form, "folder": "/none", "session_id": "x", "project": ""}
    )
    assert "\nFrom the phone\n\nFrom the desk</textarea>" in refused.text
    words = "x" * 1_000_001
    refused = server.post(
        "/new/draft", {"open": "1", "prompt": words, "prompt_id": str(uuid.uuid4())}
    )
    assert refused.status_code == 413
    assert "longer than 1,000,000 characters" in refused.text
    assert f"\n{words}</textarea>" in refused.text
    assert "From the phone" in server.get("/new").text
    server.post("/new/draft", {"prompt": "", "by": "phone"})


def test_start_page_changes_by_itself_but_not_while_one_types(server: Server, phone: Phone) -> None:
    page = phone.page
    page.goto("/")
    field = page.get_by_role("textbox", name="New session: prompt")
    asking = page.locator("#needs-you .run", has_text="asked-meanwhile")
    count = page.locator("#badge-attention-runs")
    before = count.get_attribute("data-count")
    field.focus()
    address = begin(server, [["ask", "asked-meanwhile"]])
    expect(count).not_to_have_attribute("data-count", str(before))
    expect(asking).to_have_count(0)
    field.blur()
    expect(asking).to_have_count(1)
    server.post(f"{address.partition('#')[0]}/seen", {"quiet": "1"})
