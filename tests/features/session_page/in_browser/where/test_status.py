"""Orientation in a real browser: the status line, and what needs the person."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.features.session_page.in_browser.where.beginning import (
    OpenPhone,
    begin,
    open_session,
    said,
    text,
)
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def started_alone(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    sandbox = Sandbox(tmp_path_factory.mktemp("alone") / "home").make()
    server = Server(sandbox, write_stand_in(sandbox.home / "claude"), "http://127.0.0.1:9")
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def lone_server(started_alone: Server) -> Iterator[Server]:
    """For tests that look at what all sessions of a server are up to: there is none at first."""
    yield started_alone
    started_alone.post("/runs/stop-all", {})
    until(lambda: "Nothing is running" in started_alone.get("/runs").text, "nothing runs")


@pytest.fixture(scope="module")
def phone_alone(browser: Browser, started_alone: Server) -> Iterator[Phone]:
    with closing(Phone(browser, started_alone)) as phone:
        yield phone


@pytest.fixture
def lone_phone(lone_server: Server, phone_alone: Phone) -> Iterator[Phone]:
    yield phone_alone
    phone_alone.hand_on()


def result(name: str, cost: float) -> list[object]:
    models = {"m": {"inputTokens": 1, "contextWindow": 200_000}}
    entry = {"type": "result", "subtype": "success", "uuid": name, "total_cost_usd": cost}
    return ["raw", json.dumps({**entry, "modelUsage": models}) + "\n"]


# --- the status line ------------------------------------------------------------------------


def comes_more(page: Page, messages: list[object]) -> bool:
    """Whether there is a message more within a second."""
    before = len(messages)
    page.wait_for_timeout(1000)
    return len(messages) > before


def test_status_shows_activity_and_counts_time_in_the_browser(
    server: Server, kept_phone: Phone, gate: Path
) -> None:
    phone = kept_phone
    call: dict[str, object] = {
        "type": "tool_use",
        "id": "call",
        "name": "Bash",
        "input": {"command": "npm test"},
    }
    address = begin(
        server,
        said("a", text("Let me see."), tokens=68_000),
        result("r", 0.1234),
        said("b", call, tokens=90_000),
        ["wait", str(gate)],
        ["ask", "request-1"],
    )
    messages: list[object] = []
    phone.page.on(
        "websocket", lambda ws: ws.on("framereceived", lambda frame: messages.append(frame))
    )
    open_session(phone, address)
    expect(phone.status).to_have_text("Running npm test")
    clock = phone.page.locator("#since time")
    expect(clock).to_have_text(re.compile(r"^\d+ s$"))
    until(
        lambda: not comes_more(phone.page, messages) and messages,  # waits in the browser first
        "the page has what there is",
    )
    received, first = len(messages), int(clock.inner_text().split()[0])
    until(lambda: int(clock.inner_text().split()[0]) >= first + 2, "it counts")
    assert len(messages) == received
    expect(phone.page.locator("#usage")).to_have_text("Context 45% · Cost so far $0.12")

    gate.touch()
    expect(phone.status).to_have_text("Waiting for your answer")
    expect(phone.page.locator("#since .about")).to_have_text("Bash: true")
    phone.button("Allow").click()
    expect(phone.status).to_have_text("Ready for the next prompt")


def test_offline_the_age_of_the_last_update_counts_up(
    server: Server, open_phone: OpenPhone
) -> None:
    phone = open_phone(server)
    open_session(phone, begin(server, ["text", "Hello."]))
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.forgiven += [*CUT_OFF, "ERR_INTERNET_DISCONNECTED"]
    server.kill()
    expect(phone.status).to_have_text("Offline. Last update just now.")
    phone.page.clock.set_fixed_time(time.time() + 3 * 60 + 5)
    expect(phone.status).to_have_text("Offline. Last update 3 min ago.")
    expect(phone.page.locator("#since")).to_be_hidden()
    server.start()
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.page.context.set_offline(True)
    expect(phone.status).to_have_text("Offline. Last update just now.")
    phone.page.context.set_offline(False)
    expect(phone.status).to_have_text("Ready for the next prompt")


# --- what needs me --------------------------------------------------------------------------


def test_open_request_is_announced_on_every_page_until_answered(
    lone_server: Server, lone_phone: Phone, open_phone: OpenPhone
) -> None:
    server, phone, other = lone_server, lone_phone, open_phone(lone_server)
    open_session(phone, begin(server, ["text", "Hello."]))
    expect(phone.page).not_to_have_title("New session · opcode")
    title = phone.page.title()
    is_seen = "<title>Home · opcode</title>"
    until(lambda: is_seen in server.get("/").text, "what has just ended was seen")
    other.page.goto("/")
    asking = begin(server, ["ask", "request-1"])

    expect(phone.page).to_have_title(f"(1) {title}")
    badge = phone.page.get_by_role("link", name="1 other session needs you")
    expect(badge).to_be_visible()
    other.lock()
    other.unlock()
    expect(other.page).to_have_title("(1) Home · opcode")
    other.page.get_by_role("link", name="Running 1 session needs you").click()
    expect(other.page.get_by_role("heading", name="Needs you")).to_be_visible()
    expect(other.page.locator("#runs .status").first).to_have_text("Waiting for your answer")
    expect(other.page.locator(".run-call").first).to_have_text("Bash true")
    other.page.locator("#runs a.row").first.click()
    other.page.wait_for_url(f"**{asking}*")
    assert not other.page.title().startswith("("), "not of itself"
    other.button("Allow").click()
    expect(phone.page).to_have_title(title)
    expect(phone.page.locator("#needs")).to_be_hidden()


def test_unseen_ended_session_is_listed_until_it_is_opened(
    lone_server: Server, lone_phone: Phone
) -> None:
    server, phone = lone_server, lone_phone
    done = begin(server, ["text", "Hello."])
    failed = begin(server, ["exit", 3])
    heading = '.page-head:has(:text-is("Needs you"), :text-is("Done"))'
    rows = phone.page.locator(f"#runs {heading} + ul > li")

    def listed() -> list[str]:
        phone.page.goto("/runs")
        return sorted(rows.locator(".status").all_inner_texts())

    def runs() -> str:  # a tenth of what a page costs
        return server.get("/runs").text

    both = ["Claude ended with exit status 3.", "Done since you last looked"]
    until(lambda: all(each in runs() for each in both), "both have ended")
    assert listed() == both
    open_session(phone, done)
    until(lambda: both[1] not in runs(), "the page has reported what was seen")
    assert listed() == both[:1]
    open_session(phone, failed)
    until(lambda: "Needs you" not in runs(), "and here")
    assert listed() == []


LEAVE_AT_THE_END = """() => new MutationObserver((_changes, observer) => {
    if (document.getElementById("status")?.dataset.phase !== "idle") return;
    observer.disconnect();  // a second change would abort the navigation and begin another
    location.assign("/runs");
}).observe(document.body, { childList: true, subtree: true, attributes: true })"""


def test_an_answer_whose_end_was_on_the_screen_is_seen_however_soon_one_leaves(
    lone_server: Server, lone_phone: Phone, gate: Path
) -> None:
    server, phone = lone_server, lone_phone

    def begin_to_read() -> None:
        open_session(phone, begin(server, ["wait", str(gate)], ["text", "Here is the end."]))

    def stays_seen() -> None:  # the page reports while it is left what was read
        until(lambda: "Done since you last looked" not in server.get("/runs").text, "it is seen")

    begin_to_read()
    gate.touch()
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.lock()
    stays_seen()

    gate.unlink()
    begin_to_read()
    phone.page.evaluate(LEAVE_AT_THE_END)
    gate.touch()
    phone.page.wait_for_url("**/runs")
    # at once, and not only after a refresh
    statuses = phone.page.locator("#runs .status").all_inner_texts()
    assert statuses == ["Ready for the next prompt"] * 2
    stays_seen()
