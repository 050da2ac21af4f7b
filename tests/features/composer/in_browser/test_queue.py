"""Prompts that wait can be edited, removed and sent again."""

from __future__ import annotations

import json
import threading

import pytest
from playwright.sync_api import expect

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from tests.features.composer.in_browser.page import (
    answered,
    box,
    chips,
    hold,
    kept,
    last_prompt,
    paste_image,
    png,
    prompts,
)
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def edit(phone: Phone) -> None:
    phone.page.locator("#queue").get_by_role("button", name="Edit").click()


def test_queued_prompts_are_removed_or_edited_with_their_image_into_what_is_typed(
    idle_phone: Phone,
    gate: threading.Event,
    shared_real_server: Server,
    shared_api: MessagesApi,
) -> None:
    phone = idle_phone
    hold(phone)
    phone.send("not after all")
    expect(phone.page.locator("#queue")).to_contain_text("not after all")
    paste_image(phone, png())
    expect(chips(phone)).to_have_count(1)
    phone.send("first wording")
    expect(phone.page.locator("#queue li")).to_have_count(2)
    expect(phone.page.locator("#queue li").last).to_contain_text("first wording")
    expect(chips(phone)).to_have_count(0)
    phone.page.locator("#queue li").first.get_by_role("button", name="Remove").click()
    expect(phone.page.locator("#queue li")).to_have_count(1)
    phone.forgiven += [*CUT_OFF, "ERR_FAILED"]
    phone.page.route("**/edit", lambda route: route.abort())
    box(phone).fill("words of this moment")
    with phone.page.expect_event("requestfailed"):
        edit(phone)
    kept(shared_real_server, "words of this moment")
    expect(box(phone)).to_have_value("words of this moment")
    expect(phone.page.locator("#queue li")).to_have_count(1)

    phone.page.unroute("**/edit")
    edit(phone)
    expect(box(phone)).to_have_value("first wording\n\nwords of this moment")
    expect(chips(phone)).to_have_count(1)
    expect(phone.page.locator("#queue li")).to_have_count(0)
    phone.page.reload()
    expect(box(phone)).to_have_value("first wording\n\nwords of this moment")
    expect(chips(phone)).to_have_count(1)
    phone.send("second wording")
    gate.set()
    expect(phone.page.locator("#queue li")).to_have_count(0)
    expect(phone.status).to_have_text("Ready for the next prompt")
    content = last_prompt(shared_api)
    assert any("second wording" in part.get("text", "") for part in content)
    assert "image" in [part["type"] for part in content]
    assert "not after all" not in json.dumps(list(shared_api.requests))
    assert prompts(phone)[-2:] == ["hold on", "second wording"]


def test_unread_prompts_of_a_stopped_run_can_be_resent_or_removed(
    idle_phone: Phone, gate: threading.Event
) -> None:
    phone = idle_phone
    hold(phone)
    for words in ("do it later", "or never"):
        phone.send(words)
        expect(phone.page.locator("#queue")).to_contain_text(words)
    phone.stop()
    expect(phone.status).to_have_text("Stopped by you.")
    left = phone.page.locator("#queue li")
    expect(left).to_have_count(2)
    expect(left.first).to_contain_text("Was not taken up")
    left.last.get_by_role("button", name="Remove").click()
    expect(left).to_have_count(1)
    left.first.get_by_role("button", name="Send again").click()
    answered(phone, "You said: do it later")
    expect(left).to_have_count(0)
    phone.page.reload()
    expect(left).to_have_count(0)
