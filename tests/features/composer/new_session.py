"""The page of a new session."""

from __future__ import annotations

from tests.features.composer.in_browser.page import box
from tests.support.environment import Sandbox
from tests.support.pages.browser import Phone


def open_new(phone: Phone, sandbox: Sandbox) -> None:
    phone.page.goto(f"/new?folder={sandbox.project}")
    box(phone).fill("")
