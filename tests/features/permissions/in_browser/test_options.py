"""Options and sizes of cards on a phone, with the real CLI and a scripted model."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from tests.features.permissions.in_browser.cards import (
    GRACE,
    asks,
    card,
    has_answered,
    in_force,
    open_options,
    ready,
)
from tests.support.environment import Sandbox, processes_of, runs_of, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_option_changes_in_mid_run_reach_every_device_and_keep_the_focus(
    server: Server,
    sandbox: Sandbox,
    phone: Phone,
    open_phone: Callable[..., Phone],
    shared_api: MessagesApi,
) -> None:
    api = shared_api
    one, other = phone, open_phone(server)
    one.begin(sandbox.project, "Hello")
    ready(one)
    other.page.goto(one.page.url)
    other.page.locator("body[data-link=online]").wait_for()
    open_options(one)
    model = one.page.get_by_label("Model")
    model.focus()
    model.select_option(label="Haiku 5.5")
    for each in (one, other):
        expect(in_force(each)).to_contain_text("Haiku 5.5 · asks first")
    expect(model).to_be_focused()
    one.page.get_by_label("Effort").select_option("high")
    for each in (one, other):
        expect(in_force(each)).to_contain_text("high effort")
    expect(other.page.locator("#o-model")).to_have_value("haiku")
    expect(other.page.locator("#was-model")).to_have_value("haiku")
    one.send("And now?")
    expect(one.page.locator(".block-summary")).to_have_count(2)
    assert api.requests[-1]["model"].startswith("claude-haiku")
    assert api.requests[-1]["output_config"]["effort"] == "high"
    one.end_claude()
    expect(one.status).to_have_text("Stopped by you.")
    expect(in_force(one)).to_have_text("Haiku 5.5 · high effort")
    (kept,) = (sandbox.state / "options").glob(f"{one.session_id}*")
    chosen = json.loads(kept.read_text())  # for the next process
    assert (chosen["model"], chosen["effort"]) == ("haiku", "high")


def test_bypass_mode_is_marked_while_in_force(idle_phone: Phone, server: Server) -> None:
    phone, asked = idle_phone, asks(idle_phone, server)
    warning = phone.page.get_by_text("Bypass mode: Claude does everything without asking.")
    expect(warning).to_have_count(0)
    open_options(phone)
    phone.page.get_by_label("Mode", exact=True).select_option("bypassPermissions")
    open_options(phone)
    expect(warning).to_be_visible()
    danger = phone.page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--danger')"
    )
    assert danger
    phone.send("outside unasked")
    has_answered(phone, "outside unasked")
    assert asks(phone, server) == asked
    assert (server.sandbox.home / "elsewhere" / "unasked.txt").exists()
    phone.page.reload()
    phone.page.locator("body[data-link=online]").wait_for()
    expect(warning).to_be_visible()
    open_options(phone)
    phone.page.get_by_label("Mode", exact=True).select_option("default")
    expect(warning).to_have_count(0)


def test_run_that_is_not_kept_survives_a_reload_and_ends_with_its_page(
    idle_phone: Phone, server: Server
) -> None:
    phone, state = idle_phone, server.sandbox.state
    phone.send("hang on")
    card(phone)
    run = runs_of(state, phone.session_id)[-1]
    open_options(phone)
    phone.page.get_by_label("Keep running when I leave").uncheck()
    expect(in_force(phone)).to_contain_text("stops when you leave")
    for _ in range(2):
        phone.page.reload()
        expect(phone.status).to_have_text("Waiting for your answer")
        phone.page.locator("body[data-link=online]").wait_for()
    address = phone.page.url
    phone.page.wait_for_timeout(1000 * GRACE + 500)  # somebody looks, so nothing may happen
    expect(phone.status).to_have_text("Waiting for your answer")
    phone.page.goto("about:blank")
    until(lambda: json.loads((run / "run.json").read_bytes())["end"], "the run has ended")
    until(lambda: not processes_of(state, run.name), "nothing of it is left", shortest=0.2)
    phone.page.goto(address)
    expect(phone.status).to_contain_text("nobody was looking for 8 seconds")
