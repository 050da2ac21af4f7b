"""On a phone: check, read the worst first, copy a command, which is not offered without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_MISSPELT": "1"}


def test_a_person_checks_and_copies_the_command_that_mends(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    page = open_phone(shared_server).page
    page.goto("/server")
    page.get_by_role("link", name="Health: is anything wrong?").click()
    page.get_by_role("button", name="Check now").click()
    first = page.locator(".check").first
    expect(first).to_have_attribute("data-state", re.compile("problem|warning"))
    settings = page.locator(".check", has_text="OPCODE_MISSPELT")
    settings.get_by_role("button", name="Copy the command: Settings").click()
    expect(settings.get_by_role("button")).to_have_text(re.compile("Copied|Selected"))
    without = open_phone(shared_server, java_script_enabled=False).page
    without.goto("/health")
    expect(without.get_by_role("button", name="Copy the command: Settings")).to_be_hidden()
    expect(without.locator(".check", has_text="OPCODE_MISSPELT")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download a support bundle").click()
    assert download.value.suggested_filename.startswith("opcode-htmx-support-")
