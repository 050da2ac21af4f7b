"""Attempts to hide parts of an ask, with the real CLI on a phone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
)
from tests.support.cli.idle_sessions import IdleSessions
from tests.support.environment import Sandbox
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SECOND = "touch second.txt"
COMMAND = "ls" + "\n" * 60 + f"{SECOND} # \u202egpj.exe" + "\u00a0" * 400 + "x" * 300
SHOWN = f"ls\n⋯ 59 empty lines\n{SECOND} # ⟨U+202E⟩gpj.exe⋯ 400 blanks{'x' * 300}"
RULE = f"python3 app.py > /{'z' * 90}/report.txt"
LONG = "".join(f"line {number} {'y' * 90}\n" for number in range(120))
PLAN = f"# Plan\n\n| a | b | c |\n| - | - | - |\n| {'w' * 60} | {'v' * 60} | x |\n\n    {LONG}"
QUESTION = {
    "question": "Which one \u202ethen\u202c?",
    "header": "One",
    "multiSelect": False,
    "options": [
        {"label": "a\u200bb", "description": "d", "preview": f"+--+\n|  |{' ' * 90}|\n+--+"},
        {"label": "c", "description": "d"},
    ],
}


def write_plan(request: Request) -> ToolUse:
    """Claude names the file that it wants the plan in."""
    (place, *_) = re.findall(r"[^\s\"'`\\]+/plans/[\w-]+\.md", json.dumps(request.body))
    return ToolUse("Write", {"file_path": place, "content": PLAN})


def asks(project: Path) -> list[Scene]:
    file = {"file_path": str(project / "new.txt"), "content": LONG}
    return [
        Scene("bash", "bash", [ToolUse("Bash", {"command": COMMAND}), Text("Done.")]),
        Scene("rule", "rule", [ToolUse("Bash", {"command": RULE}), Text("Done.")]),
        Scene("write", "write", [ToolUse("Write", file), Text("Done.")]),
        Scene("plan", "plan", [write_plan, ToolUse("ExitPlanMode", {}), Text("Done.")]),
        Scene("ask", "ask", [ToolUse("AskUserQuestion", {"questions": [QUESTION]}), Text("Done.")]),
        Scene("anything", "", [Text("Yes.")]),
    ]


@pytest.fixture(scope="module")
def shared_api(shared_home: Sandbox) -> Iterator[MessagesApi]:
    with MessagesApi(asks(shared_home.project)) as api:
        yield api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


@pytest.fixture
def folder(shared_home: Sandbox) -> Path:
    """A project whose name reads as another one."""
    found = shared_home.project / "safe\u202e\u2066gpj"
    found.mkdir()
    return found


@pytest.fixture
def idle_phone(kept_real_phone: Phone, idle_sessions: IdleSessions) -> Phone:
    kept_real_phone.open_session(idle_sessions.take())
    return kept_real_phone


def card(phone: Phone) -> Locator:
    found = phone.page.locator(".block-ask[data-state=open]")
    expect(found).to_have_count(1)
    return found


def assert_nothing_hides(phone: Phone) -> None:
    """No box of the card scrolls, but for drawings, and nothing is wider than the screen."""
    hidden = card(phone).evaluate(
        """card => [...card.querySelectorAll("*")]
            .filter(each => !each.matches(".preview pre, textarea"))
            .filter(each => getComputedStyle(each).display !== "inline")
            .filter(each => each.scrollHeight > each.clientHeight + 2
                || each.scrollWidth > each.clientWidth + 2)
            .filter(each => getComputedStyle(each).overflow !== "visible")
            .map(each => each.outerHTML.slice(0, 80))"""
    )
    assert hidden == []
    wide = card(phone).evaluate(
        """card => [...card.querySelectorAll("*")]
            .filter(each => !each.closest(".preview pre"))
            .filter(each => each.getBoundingClientRect().right > innerWidth)
            .map(each => each.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_second_command_is_seen_counted_and_copied_as_it_is(
    shared_real_server: Server, folder: Path, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(shared_real_server, permissions=["clipboard-read", "clipboard-write"])
    phone.begin(folder, "bash \u202ehsab")
    command = card(phone).locator(".tool-input").first
    expect(command).to_have_text(SHOWN)
    expect(card(phone).locator(".extent")).to_have_text("61 lines")
    assert_nothing_hides(phone)
    expect(phone.page.locator("#since .about")).to_have_text("Bash: ls …")
    always = card(phone).locator(".always button")
    assert all("…" not in text for text in always.all_inner_texts())
    expect(phone.page.locator(".topbar .path")).to_contain_text("safe⟨U+202E⟩⟨U+2066⟩gpj")
    expect(phone.page).to_have_title("bash ⟨U+202E⟩hsab · opcode")
    expect(phone.page.locator(".topbar h1")).to_have_text("bash ⟨U+202E⟩hsab")

    prompt = phone.page.get_by_role("textbox", name="Prompt")
    for clipboard in ("", "Object.defineProperty(navigator, 'clipboard', { value: undefined })"):
        phone.page.evaluate(clipboard or "0")
        command.hover()
        phone.button("Copy").click()
        expect(phone.button("Copied")).to_be_visible()
        expect(phone.button("Copy")).to_have_count(1)
        prompt.fill("")
        prompt.press("Control+V")
        expect(prompt).to_have_value(COMMAND)

    phone.page.goto("/runs")
    expect(phone.page.locator(".status").first).to_have_text("Waiting for your answer")
    expect(phone.page.locator(".run-about").first).to_have_text("Bash: ls …")
    expect(phone.page.locator(".run-project").first).to_have_text("safe⟨U+202E⟩⟨U+2066⟩gpj")
    expect(phone.button("Allow")).to_have_count(0)  # the row does not show all of it
    phone.page.goto("/projects")
    expect(phone.page.locator(".row-title").last).to_have_text("safe⟨U+202E⟩⟨U+2066⟩gpj")
    phone.page.locator(".row").last.click()
    expect(phone.page).to_have_title("(1) safe⟨U+202E⟩⟨U+2066⟩gpj · opcode")


@pytest.mark.parametrize(
    ("prompt", "extent", "decision"),
    [("write", "120 lines", "Deny"), ("ask", None, "Answer"), ("plan", "126 lines", "")],
)
def test_no_ask_has_a_box_that_scrolls_or_is_wider_than_the_phone(
    idle_phone: Phone, prompt: str, extent: str | None, decision: str
) -> None:
    phone = idle_phone
    if prompt == "plan":
        phone.page.locator("#options-d > summary").click()
        phone.page.get_by_label("Mode", exact=True).select_option("plan")
        expect(phone.page.locator("#in-force")).to_contain_text("plans first")
        phone.page.locator("#options-d > summary").click()
    phone.send(prompt)
    expect(card(phone)).to_be_visible()
    assert_nothing_hides(phone)
    if extent:
        expect(card(phone).locator(".extent")).to_have_text(extent)
        expect(card(phone)).to_contain_text("line 119")
    else:
        expect(card(phone).locator("legend")).to_contain_text("Which one ⟨U+202E⟩then⟨U+202C⟩?")
        expect(card(phone).get_by_role("radio", name="a⟨U+200B⟩b")).to_be_visible()
        expect(card(phone).locator(".preview")).to_contain_text("⋯ 90 blanks")
        card(phone).get_by_role("radio", name="a⟨U+200B⟩b").check()
    if decision:  # which leaves the session idle
        phone.button(decision).click()
        expect(phone.status).to_have_text("Ready for the next prompt")


def test_words_of_a_permanent_rule_stay_within_the_phone(idle_phone: Phone) -> None:
    phone = idle_phone
    phone.send("rule")
    card(phone).locator("summary", has_text="Always allow").click()
    expect(card(phone).locator(".always button").first).to_contain_text("z" * 90)
    assert_nothing_hides(phone)
    phone.button("Deny").click()
    expect(phone.status).to_have_text("Ready for the next prompt")
