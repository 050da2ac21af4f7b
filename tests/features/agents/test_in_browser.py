"""Agents on a phone: imported, changed and run, by forms that lead to pages."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import page_checks
from tests.support.pages.browser import PHONE, Phone
from tests.support.populated import LONG_WORD
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def check(page: Page) -> None:
    """The page fits 320 px, for thumbs and for readers.

    For pages that come of what was sent; tests/app/pages looks at the others, and at their colours.
    """
    page.set_viewport_size({"width": 320, "height": 800})
    assert page_checks.misfits(page) == {}
    assert page_checks.violations(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]


def test_an_agent_is_imported_refused_with_a_sentence_run_and_run_again(
    shared_server: Server, phone: Phone, tmp_path: Path
) -> None:
    """That the forms need no script: see the tests of pages/."""
    hook = {"Stop": [{"hooks": [{"type": "command", "command": f"echo {LONG_WORD}"}]}]}
    project = shared_server.sandbox.project
    (project / ".claude").mkdir()
    (project / ".claude" / "settings.json").write_text(json.dumps({"hooks": hook}))
    agent = {"name": LONG_WORD[:80], "system_prompt": f"Do {LONG_WORD}", "hooks": json.dumps(hook)}
    file = tmp_path / "a.opcode.json"
    file.write_text(json.dumps({"version": 1, "exported_at": "", "agent": agent}))
    page = phone.page
    phone.forgiven += ["409", "422"]  # pages with what was refused

    page.goto("/agents/import")
    page.get_by_label("File (.opcode.json").set_input_files(file)
    phone.button("Show it").click()
    page.get_by_text("It brings hooks.").wait_for()
    check(page)
    page.emulate_media(color_scheme="dark")
    assert page_checks.violations(page, "color-contrast") == []
    page.emulate_media(color_scheme="light")
    phone.button("Save").click()
    page.wait_for_url("**/agents/1")
    page.goto("/agents/1/edit")
    page.get_by_label("Allowed without asking").fill("bash")
    phone.button("Save").click()
    page.get_by_role("alert").get_by_text("capital letter").wait_for()
    check(page)

    page.goto(f"/agents/1?folder={quote(str(project))}")
    page.get_by_label("Task").fill("[]")
    phone.button("Run").click()
    page.get_by_text("Trust this project?").wait_for()
    check(page)
    phone.button("Run without the project’s settings").click()
    page.wait_for_url("**/sessions/**")
    page.locator(".of-agent").get_by_text(f"Agent {LONG_WORD[:20]}").wait_for()
    # A banner sticks 52 px below the top.
    bar = page.locator(".topbar").bounding_box()
    assert bar
    assert bar["height"] <= 52
    tops = page.locator(".topbar-title .path").evaluate_all(
        "lines => lines.map(each => each.offsetTop)"
    )
    assert len(tops) == 2
    assert len(set(tops)) == 1, "the agent and the folder share a line below the title"
    expect(page.locator("#menu").get_by_text("Run of the agent")).to_have_count(1)
    page.goto("/agents")
    page.get_by_role("heading", name="Recent runs").wait_for()
    page.get_by_role("link", name="[]").click()
    page.get_by_role("link", name="Run again").click()
    page.wait_for_url("**/agents/1?**")
    assert page.get_by_label("Task").input_value() == "[]"
