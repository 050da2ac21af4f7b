"""Cards of requests on a phone, and the options in force."""

from __future__ import annotations

import json

from playwright.sync_api import Locator, expect

from tests.support.environment import runs_of
from tests.support.pages.browser import Phone
from tests.support.server import Server

GRACE = 8.0
READY = "Ready for the next prompt"


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
