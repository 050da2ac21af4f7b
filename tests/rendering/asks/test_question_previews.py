"""Questions whose choices have previews, and notes on answers: the real CLI, a scripted model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
    Turn,
)
from opcode_htmx.engines.claude.demo.script import Step
from opcode_htmx.markup.markdown import preview
from tests.support.cli.idle_sessions import IdleSessions
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)

BOX = "+-----------+\n| Apples  3 |\n+-----------+"
QUESTIONS = [
    {
        "question": "Which layout?",
        "header": "Layout",
        "multiSelect": False,
        "options": [
            {"label": "Boxes", "description": "One for each fruit", "preview": BOX},
            {"label": "List", "description": "A line each", "preview": "- **Apples**: 3\n- Pears"},
            {"label": "Neither", "description": "Leave it"},
        ],
    },
    {
        "question": "Which fruits?",
        "header": "Fruits",
        "multiSelect": True,
        "options": [
            {"label": "Apples", "description": ""},
            {"label": "Pears", "description": "", "preview": "`pear.txt`"},
        ],
    },
]


def repeated(request: Request) -> Turn:
    assert request.last_tool_result is not None
    return (Text(f"Claude read: {request.last_tool_result.text}"),)


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    asks: list[Step] = [ToolUse("AskUserQuestion", {"questions": QUESTIONS}), repeated]
    with MessagesApi([Scene("ask", "ask", asks), Scene("anything", "", [Text("Yes.")])]) as api:
        yield api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


def card(phone: Phone) -> Locator:
    found = phone.page.locator(".block-ask[data-state=open]")
    expect(found).to_have_count(1)
    return found


def previews_stand_by_their_choices(phone: Phone, asked: Locator) -> None:
    """Below them on a phone, and beside them on a wide screen."""
    boxes = asked.get_by_role("radio", name="Boxes")
    expect(boxes).to_have_accessible_description("+-----------+ | Apples 3 | +-----------+")
    choice, shown = asked.locator(".option label").first, asked.locator(".preview").first
    expect(shown.locator("pre")).to_have_text(BOX)
    expect(asked.locator(".preview").nth(1).locator("li")).to_have_text(["Apples: 3", "Pears"])
    over, under = choice.bounding_box(), shown.bounding_box()
    assert over is not None
    assert under is not None
    assert under["y"] >= over["y"] + over["height"]
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390
    phone.page.set_viewport_size({"width": 1100, "height": 800})
    left, right = choice.bounding_box(), shown.bounding_box()
    assert left is not None
    assert right is not None
    assert right["x"] >= left["x"] + left["width"]
    assert right["y"] < left["y"] + left["height"]


def choose_with_a_note(asked: Locator) -> None:
    asked.get_by_role("radio", name="List").check()
    asked.get_by_text("Add a note").first.click()
    asked.get_by_label("A note for Claude on this answer").first.fill("With a total\nat the end.")
    asked.get_by_role("checkbox", name="Apples").check()
    asked.get_by_role("checkbox", name="Pears").check()


def claude_has_the_note(phone: Phone) -> None:
    """And it stays on the page."""
    said = phone.page.locator(".block-text").last
    expect(said).to_contain_text('"Which layout?"="List"')
    expect(said).to_contain_text("notes: With a total")
    expect(said).to_contain_text('"Which fruits?"="Apples, Pears"')
    answered = phone.page.locator(".block-ask").last
    expect(answered.locator(".verdict")).to_have_text(["List", "Apples, Pears"])
    expect(answered.locator("p.remark")).to_have_text(["Note: With a total\nat the end."])


@pytest.mark.browser
def test_choices_with_previews_are_answered_with_a_note(idle_phone: Phone) -> None:
    phone = idle_phone
    phone.send("ask me")
    asked = card(phone)
    expect(asked.locator("legend .header")).to_have_text(["Layout", "Fruits"])
    previews_stand_by_their_choices(phone, asked)
    choose_with_a_note(asked)
    phone.button("Answer").click()
    claude_has_the_note(phone)


@pytest.mark.browser
def test_a_note_reaches_claude_without_scripts(
    shared_real_server: Server, idle_sessions: IdleSessions, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(shared_real_server, java_script_enabled=False)
    phone.open_session(idle_sessions.take())

    def press(name: str) -> None:
        with phone.page.expect_navigation():
            phone.button(name).click()

    phone.page.get_by_role("textbox", name="Prompt").fill("ask me")
    press("Send")
    asking = phone.page.locator(".block-ask[data-state=open]")
    phone.reload_until(asking.count, "Claude asks")
    choose_with_a_note(card(phone))
    press("Answer")
    said = phone.page.locator(".block-text").last
    phone.reload_until(lambda: "notes:" in said.inner_text(), "Claude has the answer")
    claude_has_the_note(phone)


@pytest.mark.parametrize(
    "drawing",
    [BOX, "┌──┐\n│a │\n└──┘", "a   b\nc   d", "| a | b |\n| c | d |", "top\n  inner\nend"],
)
def test_a_drawing_in_characters_keeps_its_lines_and_spaces(drawing: str) -> None:
    assert str(preview(drawing)).startswith("<pre ")
    assert drawing in preview(drawing).unescape()


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("# Title", "<h1 dir"),
        ("- a\n  - b", "<ul>"),
        ("| a |\n| --- |\n| b |", "<table>"),
        ("```python\nx   = 1\n```", "<code class"),
        ("`b`", "<code dir"),
    ],
)
def test_other_previews_are_markdown(text: str, tag: str) -> None:
    assert tag in preview(text)
