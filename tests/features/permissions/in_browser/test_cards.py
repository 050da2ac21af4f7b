"""Permissions and questions on a phone, with the real CLI and a scripted model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.features.permissions.in_browser.cards import (
    READY,
    card,
    has_answered,
    in_force,
    open_options,
    previews_stand_by_their_choices,
    ready,
)
from tests.support.cli.idle_sessions import IdleSessions
from tests.support.environment import runs_of, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def verdicts(phone: Phone) -> Locator:
    """What the newest card says about its decision, or its answers."""
    return phone.page.locator(".block-ask").last.locator(".verdict")


def shows_another_device_what_was_decided(one: Phone, other: Phone) -> None:
    """One with a hanging socket: it does not see the answer of the first one."""
    other.forgiven.append("409")
    other.page.route_web_socket("**/live*", lambda socket: None)
    other.page.goto(one.page.url)
    card(other)
    one.button("Allow").click()
    ready(one)
    other.button("Deny").click()
    expect(card(other).get_by_role("alert")).to_contain_text(
        re.compile(r"answered already at \d\d:\d\d: allowed")
    )
    other.page.reload()
    expect(verdicts(other)).to_have_text(re.compile(r"Allowed · \d\d:\d\d"))
    # the other one was opened later
    until(
        lambda: one.dom().endswith(other.dom()),
        "both show the same",
        sleep=lambda: one.page.wait_for_timeout(50),
    )


def test_decision_reaches_other_devices_and_an_always_allowed_rule_stands_on_its_card(
    idle_phone: Phone, server: Server, open_phone: Callable[..., Phone]
) -> None:
    phone = idle_phone
    phone.send("npm please")
    expect(card(phone)).to_contain_text("npm test")
    shows_another_device_what_was_decided(phone, open_phone(server))
    phone.send("npm once more")
    card(phone).locator("summary", has_text="Always allow").click()
    phone.button("Always allow npm test * in this project").click()
    ready(phone)
    tool = phone.page.locator(".block-tool").last
    expect(tool.locator("summary")).to_contain_text("· always allowed")
    tool.locator("summary").click()
    verdict = tool.locator(".verdict")
    expect(verdict).to_have_text(
        re.compile(r"Always allowed: npm test \* in this project · \d\d:\d\d")
    )


def test_a_denial_takes_a_reason_with_it_and_names_the_path_outside(
    idle_phone: Phone, server: Server
) -> None:
    phone = idle_phone
    phone.send("outside now")
    path = f"{server.sandbox.home}/elsewhere/now.txt"
    expect(card(phone)).to_contain_text(f"Outside this project: {path}")
    card(phone).locator("summary", has_text="Deny with a reason").click()
    phone.page.get_by_label("Tell Claude why").fill("Stay in the\nproject.")
    phone.page.get_by_label("Tell Claude why").press("Enter")  # a new line, and no decision
    expect(card(phone)).to_be_visible()
    phone.button("Deny and tell Claude").click()
    ready(phone)
    expect(phone.page.locator(".block-tool > .verdict")).to_be_visible()
    expect(phone.page.locator(".block-tool > .verdict")).to_have_text("Stay in the\nproject.")
    expect(phone.page.locator(".block-ask").last).to_be_hidden()
    run = runs_of(server.sandbox.state, phone.session_id)[-1]
    answer = json.loads((run / "in.ndjson").read_text().splitlines()[-1])
    assert answer["response"]["response"]["message"] == "Stay in the\nproject."


def test_several_questions_with_previews_and_a_note_are_answered_on_one_card(
    idle_phone: Phone,
) -> None:
    phone = idle_phone
    phone.send("ask me")
    asked = card(phone)
    expect(asked.locator("legend .header")).to_have_text(["Layout", "Fruits", "Number"])
    previews_stand_by_their_choices(phone, asked)
    phone.forgiven.append("422")
    sent: list[str] = []
    phone.page.on("request", lambda request: sent.append(request.url))
    asked.get_by_role("radio", name="List").check()
    asked.get_by_text("Add a note").first.click()
    asked.get_by_label("A note for Claude on this answer").first.fill("With a total\nat the end.")
    asked.get_by_label("Apples").check()
    asked.get_by_label("Apples").press("Enter")  # which must press no button: it may be Allow
    # what the page sends and fetches by itself at any time
    assert [url for url in sent if "/seen" not in url and "/static/" not in url] == []
    phone.button("Answer").click()
    expect(card(phone).get_by_role("alert")).to_contain_text(
        "Choose an answer to question 3 of 3: “How many?”"
    )
    phone.page.get_by_role("link", name="question 3 of 3").click()
    expect(phone.page.get_by_role("group", name="How many?")).to_be_in_viewport()
    expect(phone.page.get_by_label("Apples")).to_be_checked()
    assert sum("/asks/" in url for url in sent) == 1
    phone.page.get_by_label("Pears").check()
    phone.page.get_by_label("in your own words").last.fill("a dozen")
    phone.button("Answer").click()
    ready(phone)
    expect(verdicts(phone)).to_have_text(["List", "Apples, Pears", "a dozen"])
    note = phone.page.locator(".block-ask").last.locator("p.remark")
    expect(note).to_have_text(["Note: With a total\nat the end."])
    said = phone.page.locator(".block-text").last
    for words in ('"Which layout?"="List"', "notes: With a total", '"How many?"="a dozen"'):
        expect(said).to_contain_text(words)


def test_a_plan_is_read_sent_back_and_approved_in_a_mode(idle_phone: Phone, server: Server) -> None:
    phone = idle_phone
    open_options(phone)
    phone.page.get_by_label("Mode", exact=True).select_option("plan")
    expect(in_force(phone)).to_contain_text("plans first")
    open_options(phone)
    phone.send("plan it")
    expect(card(phone).locator("h1")).to_have_text("The plan")
    phone.button("Approve, accept edits").click()
    ready(phone)
    expect(verdicts(phone)).to_contain_text("Approved, edits accepted")
    expect(in_force(phone)).to_contain_text("accepts edits")
    assert (server.sandbox.project / "new.txt").exists()
    phone.send("plan once more")
    has_answered(phone, "plan once more")
    ready(phone)
    (options,) = (server.sandbox.state / "options").glob(f"{phone.session_id}*")
    assert json.loads(options.read_text())["permission_mode"] == "acceptEdits"
    open_options(phone)
    phone.page.get_by_label("Mode", exact=True).select_option("default")  # as other tests want it
    expect(in_force(phone)).to_contain_text("asks first")


def test_without_javascript_a_person_prompts_decides_and_chooses(
    server: Server, idle_sessions: IdleSessions, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server, java_script_enabled=False)
    box = phone.page.get_by_role("textbox", name="Prompt")

    def press(name: str) -> None:
        with phone.page.expect_navigation():
            phone.button(name).click()

    def seen(text: str) -> None:
        address = phone.page.url.removeprefix(server.url).partition("#")[0]
        until(lambda: text in server.get(address).text, text)  # a fifth of what a reload costs
        phone.page.reload()
        assert text in phone.page.content()

    phone.open_session(idle_sessions.take())
    box.fill("outside plainly")
    press("Send")
    seen("Always allow")
    phone.page.locator("summary", has_text="Always allow").click()
    box.fill("Half a thought")
    press("Always allow edits in this session")
    expect(box).to_have_value("Half a thought")
    seen("Always allowed:")
    seen(READY)
    for _ in range(2):  # the first one leaves a link to what is new, which must not lie over it
        press("Refresh")
    for mode, words in {"plan": "plans first", "default": "asks first"}.items():
        open_options(phone)
        phone.page.get_by_label("Mode", exact=True).select_option(mode)
        press("Apply")
        expect(in_force(phone)).to_contain_text(words)
