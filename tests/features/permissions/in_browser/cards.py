"""Cards of requests on a phone, what Claude asks on one, and the options in force."""

from __future__ import annotations

import json

from playwright.sync_api import Locator, expect

from tests.runs.asking import QUESTIONS
from tests.support.environment import runs_of
from tests.support.pages.browser import PHONE, Phone
from tests.support.server import Server

GRACE = 8.0
READY = "Ready for the next prompt"
BOX = "+-----------+\n| Apples  3 |\n+-----------+"
LAYOUT = {
    "question": "Which layout?",
    "header": "Layout",
    "multiSelect": False,
    "options": [
        {"label": "Boxes", "description": "One for each fruit", "preview": BOX},
        {"label": "List", "description": "A line each", "preview": "- **Apples**: 3\n- Pears"},
        {"label": "Neither", "description": "Leave it"},
    ],
}
ASKED = [LAYOUT, *QUESTIONS]
"""The questions of one card."""


def card(phone: Phone) -> Locator:
    """The card that waits for an answer."""
    found = phone.page.locator(".block-ask[data-state=open]")
    expect(found).to_have_count(1)
    return found


def ready(phone: Phone) -> None:
    expect(phone.status).to_have_text(READY)


def in_force(phone: Phone) -> Locator:
    return phone.page.locator("#in-force")


def open_options(phone: Phone) -> None:
    phone.page.locator("#options-d > summary").click()


def asks(phone: Phone, server: Server) -> int:
    """How often Claude has asked in the session that is looked at."""
    files = (run / "out.ndjson" for run in runs_of(server.sandbox.state, phone.session_id))
    return sum(file.read_text(encoding="utf-8").count('"can_use_tool"') for file in files)


def has_answered(phone: Phone, prompt: str) -> None:
    """Wait for the end of the turn of this prompt, which the session holds once.

    How many turns the page shows grows as older ones come."""
    answered = f".block-prompt:has-text({json.dumps(prompt)}) ~ .block-summary"
    expect(phone.page.locator(answered)).to_have_count(1)


def previews_stand_by_their_choices(phone: Phone, asked: Locator) -> None:
    """Below them on a phone, and beside them on a wide screen."""
    boxes = asked.get_by_role("radio", name="Boxes")
    expect(boxes).to_have_accessible_description("+-----------+ | Apples 3 | +-----------+")
    choice, shown = asked.locator(".option label").first, asked.locator(".preview").first
    expect(shown.locator("pre")).to_have_text(BOX)
    expect(asked.locator(".preview").nth(1).locator("li")).to_have_text(["Apples: 3", "Pears"])
    over, under = choice.bounding_box(), shown.bounding_box()
    assert over and under and under["y"] >= over["y"] + over["height"]
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390
    phone.page.set_viewport_size({"width": 1100, "height": 800})
    left, right = choice.bounding_box(), shown.bounding_box()
    assert left and right and right["x"] >= left["x"] + left["width"]
    assert right["y"] < left["y"] + left["height"]
    phone.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
