"""The keyboard on a computer: moving, opening and answering with single keys."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from tests.support.clients import api
from tests.support.environment import until
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

OpenPhone = Callable[..., Phone]
Play = Callable[..., None]
STILL_MS = 500
"""For so long a request must have been seen; static/keyboard.js."""


PRESS_AS_IT_COMES = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    const card = document.querySelector(".block-ask");
    for (let shown = 0, late = true; late; late = performance.now() - shown > 300) {
        for (const hidden of [true, false]) {
            card.hidden = hidden;
            shown = performance.now();
            await frame();
            await frame();
        }
    }
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true }));
}"""
"""Lets a request come into view once more, and presses a key before a person can have read it."""


def request(request_id: str, command: str) -> list[object]:
    wanted = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}}
    return ["say", {"type": "control_request", "request_id": request_id, "request": wanted}]


def ready(page: Page) -> Page:
    """A key is understood once the script has come; its stylesheet is the last that it does."""
    page.locator('head link[href*="keyboard.css"]').wait_for(state="attached")
    return page


def still(page: Page) -> None:
    page.wait_for_timeout(STILL_MS + 100)  # what is tested is this time


def focused(page: Page) -> Locator:
    return page.locator(":focus")


@pytest.fixture(scope="module")
def _computer(browser: Browser, shared_server: Server) -> Iterator[Phone]:
    with closing(Phone(browser, shared_server)) as computer:
        yield computer


@pytest.fixture
def computer(_computer: Phone) -> Iterator[Phone]:
    """That of all tests here."""
    _computer.page.set_viewport_size({"width": 1280, "height": 800})
    yield _computer
    _computer.hand_on()


@pytest.fixture
def page(computer: Phone) -> Page:
    return computer.page


@pytest.fixture
def play(computer: Phone, shared_server: Server) -> Play:
    """Starts a session whose Claude takes these steps, and opens its page."""

    def begin(*steps: list[object]) -> None:
        computer.begin(shared_server.sandbox.project, json.dumps(steps))
        ready(computer.page)

    return begin


def answers_of(page: Page) -> list[tuple[str, str]]:
    """The answers that the page sends from now on: the id of a request, and the decision."""
    sent: list[tuple[str, str]] = []

    def note(made: Request) -> None:
        if "/asks/" in made.url:
            decision = re.search(r'decision(?:"\r\n\r\n|=)(\w+)', made.post_data or "")
            sent.append((made.url.rpartition("/")[2], decision[1] if decision else ""))

    page.on("request", note)
    return sent


def test_rows_are_reached_and_opened_by_keys(page: Page, shared_server: Server) -> None:
    sandbox = shared_server.sandbox
    for words in ("Prune the trees", "Water the trees"):
        entry = json.loads(api.prompt(words, sandbox.project))
        session = str(uuid.uuid4())
        more = {"uuid": str(uuid.uuid4()), "parentUuid": None, "sessionId": session}
        api.session(sandbox.config_dir, sandbox.project, api.line({**entry, **more}), session)
    page.goto("/")
    ready(page).keyboard.press("j")
    expect(focused(page)).to_have_class("row")
    assert focused(page).evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions/*")
    page.goto(page.url.partition("/sessions/")[0])
    rows = ready(page).locator(".list .row")
    for key, index in (("j", 0), ("j", 1), ("k", 0)):
        page.keyboard.press(key)
        expect(rows.nth(index)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("body")).to_be_focused()


def test_the_list_of_shortcuts_opens_and_closes(page: Page) -> None:
    page.goto("/")
    ready(page).keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    assert not page_checks.violations(page)
    page.keyboard.press("j")  # belongs to the page behind it
    expect(page.get_by_role("button", name="Close").last).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_who_switches_shortcuts_off_has_none(computer: Phone, shared_server: Server) -> None:
    page = computer.page
    try:
        page.goto("/appearance")
        page.locator("input[name=keys][value=off]").check()
        expect(page.locator("#appearance-state")).to_contain_text("Kept for you")
        page.goto("/")
        assert page.locator("body[data-keyboard]").count() == 0
    finally:
        shared_server.post("/appearance", {})


def test_a_phone_does_not_load_them(shared_server: Server, open_phone: OpenPhone) -> None:
    page = open_phone(shared_server, has_touch=True, is_mobile=True).page
    page.goto("/", wait_until="networkidle")
    assert page.locator("body[data-keyboard]").count() == 1
    assert page.locator('head script[src*="keyboard.js"]').count() == 0


def test_messages_are_reached_and_folded_by_keys(computer: Phone, play: Play) -> None:
    page = computer.page
    play(*(["text", f"Number {number}. " + "Word. " * 60] for number in range(12)))
    expect(page.locator(".block-text")).to_have_count(12)
    expect(computer.status).to_contain_text("Ready")
    expect(page.locator(".block-summary")).to_have_count(1)
    page.keyboard.press("k")
    expect(focused(page)).to_have_class("block block-summary")
    page.keyboard.press("Enter")
    expect(focused(page).locator("details")).to_have_attribute("open", "")
    for _ in range(11):
        page.keyboard.press("k")
    expect(focused(page)).to_contain_text("Number 1.")
    expect(focused(page)).to_be_in_viewport(ratio=1)
    page.keyboard.press("j")
    expect(focused(page)).to_contain_text("Number 2.")
    page.keyboard.press("/")
    expect(page.get_by_label("Search in this session")).to_be_focused()
    page.keyboard.type("jkad?")  # words, not keys
    expect(page.get_by_label("Search in this session")).to_have_value("jkad?")
    page.keyboard.press("Escape")  # empties the field
    page.keyboard.press("Escape")
    expect(page.locator("#menu")).to_be_hidden()
    page.keyboard.press("c")
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    page.keyboard.type("a/d")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("a/d")


def test_a_key_answers_the_only_request_that_has_been_seen(
    computer: Phone, play: Play, tmp_path: Path
) -> None:
    page, gate = computer.page, tmp_path / "gate"
    play(request("r1", "true"), ["wait", str(gate)])
    sent = answers_of(page)
    expect(computer.button("Allow")).to_be_visible()
    page.evaluate(PRESS_AS_IT_COMES)  # it may have been meant for something else
    still(page)
    page.keyboard.press("Control+a")
    page.keyboard.press("Shift+A")
    page.get_by_role("textbox", name="Prompt").press_sequentially("a")
    page.get_by_role("textbox", name="Prompt").clear()
    page.keyboard.press("Escape")
    still(page)
    assert sent == []
    page.keyboard.press("d")
    until(lambda: sent, "it is answered", sleep=lambda: page.wait_for_timeout(50))
    assert sent == [("r1", "deny")]
    gate.touch()


def test_of_several_requests_a_key_answers_the_focused_one(
    computer: Phone, play: Play, tmp_path: Path
) -> None:
    page, gate = computer.page, tmp_path / "gate"
    play(request("r1", "true"), request("r2", "false"), ["wait", str(gate)])
    sent = answers_of(page)
    expect(page.locator(".block-ask")).to_have_count(2)
    still(page)
    page.keyboard.press("a")
    still(page)
    assert sent == [], "it is not known which one is meant"
    page.keyboard.press("k")
    page.keyboard.press("k")
    expect(focused(page)).to_contain_text("true")
    page.keyboard.press("a")
    page.keyboard.press("j")
    page.keyboard.press("a")  # the second press of two is none
    still(page)
    assert sent == [("r1", "allow")]
    page.keyboard.press("d")
    until(lambda: sent[1:], "it is answered", sleep=lambda: page.wait_for_timeout(50))
    assert sent[1:] == [("r2", "deny")]
    gate.touch()


def test_a_request_that_is_not_seen_in_whole_needs_the_focus(
    computer: Phone, play: Play, tmp_path: Path
) -> None:
    page, gate = computer.page, tmp_path / "gate"
    command = "\n".join(f"echo {number}" for number in range(60))
    play(request("r1", command), ["wait", str(gate)])
    sent = answers_of(page)
    expect(computer.button("Allow")).to_have_count(1)
    still(page)
    page.keyboard.press("a")
    still(page)
    assert sent == []
    page.keyboard.press("k")
    expect(focused(page)).to_have_attribute("id", "b-r1")
    page.keyboard.press("a")
    until(lambda: sent, "it is answered", sleep=lambda: page.wait_for_timeout(50))
    assert sent == [("r1", "allow")]
    gate.touch()
