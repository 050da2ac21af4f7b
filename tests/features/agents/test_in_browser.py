"""Agents on a phone, without JavaScript: made, imported and run, by forms that lead to pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.populated import LONG_WORD
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def fits(page: Page) -> None:
    """The page fits 320 px, for thumbs."""
    page.set_viewport_size({"width": 320, "height": 800})
    assert page_checks.sticks_out(page) <= 0
    assert page_checks.smaller_than_a_thumb(page) == []


def check(page: Page) -> None:
    """The same, in light and dark and for readers.

    For pages that come of what was sent; tests/app/pages looks at the others.
    """
    page.emulate_media(color_scheme="dark")
    assert page_checks.violations(page, "color-contrast") == []
    page.emulate_media(color_scheme="light")
    fits(page)
    assert page_checks.violations(page) == []
    assert page_checks.too_small_to_type_in(page) == []


def test_agents_are_made_imported_and_run_without_javascript(
    shared_server: Server, open_phone: Callable[..., Phone], tmp_path: Path
) -> None:
    hook = {"Stop": [{"hooks": [{"type": "command", "command": f"echo {LONG_WORD}"}]}]}
    project = shared_server.sandbox.project
    (project / ".claude").mkdir()
    (project / ".claude" / "settings.json").write_text(json.dumps({"hooks": hook}))
    agent = {"name": LONG_WORD[:80], "system_prompt": f"Do {LONG_WORD}", "hooks": json.dumps(hook)}
    file = tmp_path / "a.opcode.json"
    file.write_text(json.dumps({"version": 1, "exported_at": "", "agent": agent}))
    phone = open_phone(shared_server, java_script_enabled=False)
    looks = open_phone(shared_server)
    for each in (phone, looks):
        each.forgiven += ["409", "422"]  # pages with what was refused

    for each, is_last in ((looks, False), (phone, True)):
        page = each.page
        page.goto("/agents/import")
        page.get_by_label("File (.opcode.json").set_input_files(file)
        each.button("Show it").click()
        page.get_by_text("It brings hooks.").wait_for()
        if not is_last:
            check(page)
    phone.button("Save").click()
    phone.page.wait_for_url("**/agents/1")
    looks.page.goto("/agents/1/edit")
    looks.page.get_by_label("Allowed without asking").fill("bash")
    looks.button("Save").click()
    looks.page.get_by_role("alert").get_by_text("capital letter").wait_for()
    check(looks.page)

    looks.page.goto(f"/agents/1?folder={quote(str(project))}")
    looks.page.get_by_label("Task").fill("Prune the trees")
    looks.button("Schedule…").click()
    looks.page.wait_for_url("**/schedules/new")
    fits(looks.page)
    assert looks.page.get_by_label("Task").input_value() == "Prune the trees"
    looks.button("Save").click()
    looks.page.get_by_role("heading", name="What it starts").wait_for()
    check(looks.page)

    phone.page.get_by_label("Task").fill("[]")
    phone.button("Another folder…").click()
    phone.page.wait_for_url("**/folders?**")
    phone.page.goto(f"{phone.page.url}&in={quote(str(project))}")
    phone.page.get_by_role("link", name="Use “").click()
    phone.page.wait_for_url("**/agents/1?**")
    assert phone.page.get_by_label("Task").input_value() == "[]"
    phone.button("Run").click()
    phone.page.get_by_text("Trust this project?").wait_for()
    looks.page.goto(f"/agents/1?folder={quote(str(project))}")
    looks.page.get_by_label("Task").fill("[]")
    looks.button("Run").click()
    looks.page.get_by_text("Trust this project?").wait_for()
    check(looks.page)
    phone.button("Run without the project’s settings").click()
    phone.page.wait_for_url("**/sessions/**")
    phone.page.locator(".of-agent").get_by_text(f"Agent {LONG_WORD[:20]}").wait_for()
    # A banner sticks 52 px below the top.
    bar = phone.page.locator(".topbar").bounding_box()
    assert bar
    assert bar["height"] <= 52
    tops = phone.page.locator(".topbar-title .path").evaluate_all(
        "lines => lines.map(each => each.offsetTop)"
    )
    assert len(tops) == 2
    assert len(set(tops)) == 1, "the agent and the folder share a line below the title"
    expect(phone.page.locator("#menu").get_by_text("Run of the agent")).to_have_count(1)
    phone.page.goto("/agents")
    phone.page.get_by_role("heading", name="Recent runs").wait_for()
    phone.page.get_by_role("link", name="[]").click()
    phone.page.get_by_role("link", name="Run again").click()
    phone.page.wait_for_url("**/agents/1?**")
    assert phone.page.get_by_label("Task").input_value() == "[]"
