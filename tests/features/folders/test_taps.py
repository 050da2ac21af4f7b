"""A new session in few taps, with nothing typed but the prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Locator, ViewportSize, expect

from opcode_htmx.engines.claude.files.history import project_id
from tests.features.session_page.in_browser.look.reading import covered
from tests.support.clients import api
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.pages.thumb import Thumb
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

KEYBOARD: ViewportSize = {"width": 390, "height": 420}
"""A phone on which the keyboard is open."""
LANDSCAPE_KEYBOARD = {"width": 844, "height": 200}
SESSION = "5e551000-0000-4000-8000-000000000003"


def test_new_folder_takes_four_taps_and_a_known_project_three(
    shared_server: Server, kept_phone: Phone
) -> None:
    """That links and forms do the same without scripts: see test_picker_pages.py."""
    server, orchard = shared_server, shared_server.sandbox.project
    known(server, orchard)
    phone = kept_phone
    page, thumb = phone.page, Thumb(phone)
    page.set_viewport_size(KEYBOARD)
    page.goto("/")
    thumb.tap(page.get_by_role("link", name="New", exact=True))
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    assert_in_view(page.locator(".nav"), page.get_by_role("textbox", name="Prompt"))
    assert_in_view(page.locator(".nav"), phone.button("Send"))
    page.keyboard.type("Dig a well")
    thumb.tap(thumb.button("Project:"))
    thumb.tap(thumb.button("New folder"))
    expect(thumb.button("Project:")).to_contain_text("dig-a-well")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("Dig a well")
    thumb.tap(phone.button("Send"))
    page.wait_for_url("**/sessions/**")
    made = orchard.parent / "dig-a-well"
    assert project_id(made) in unquote(page.url)
    assert (made.is_dir(), thumb.taps) == (True, 4)

    page.goto("/")
    thumb.taps = 0
    thumb.tap(phone.project_row("orchard").first)
    thumb.tap(page.get_by_role("link", name="New session"))
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    page.keyboard.type("Water it")
    thumb.tap(phone.button("Send"))
    page.wait_for_url("**/sessions/**")
    assert (project_id(orchard) in page.url, thumb.taps) == (True, 3)


def test_sheet_lists_while_one_types_and_fits_with_large_letters(
    shared_server: Server, kept_phone: Phone
) -> None:
    for name in ("meadow", "meander", "brook"):
        (shared_server.sandbox.home / "country" / name).mkdir(parents=True)
    page, thumb = kept_phone.page, Thumb(kept_phone)
    page.goto("/new")
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    thumb.tap(thumb.button("Project:"))
    sheet = page.get_by_role("dialog", name="Choose a folder")
    rows = sheet.locator("#folder-here").locator("..").locator("a.folder-row")
    page.get_by_role("searchbox").press_sequentially("~/country/mea")
    expect(rows).to_have_text(["meadow", "meander"])
    assert page_checks.sticks_out(page) <= 0
    assert page_checks.smaller_than_a_thumb(page) == []
    assert page_checks.violations(page) == []
    rows.first.click()
    sheet.get_by_role("link", name="Use “meadow”").click()
    expect(sheet).to_be_hidden()
    expect(thumb.button("Project:")).to_contain_text("meadow")
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    assert page_checks.sticks_out(page) <= 0
    thumb.tap(thumb.button("Project:"))
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()


def test_a_keyboard_in_landscape_leaves_the_prompt_its_space(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(shared_server, viewport=LANDSCAPE_KEYBOARD, is_mobile=True, has_touch=True)
    phone.page.goto("/new")
    box = phone.page.get_by_role("textbox", name="Prompt")
    box.tap()
    expect(phone.page.locator(".topbar")).to_be_hidden()
    expect(phone.page.locator(".nav")).to_be_hidden()
    for control in (box, *(phone.button(name) for name in ("Send", "Saved prompts"))):
        expect(control).to_be_in_viewport(ratio=1)
    assert covered(phone.page, "#composer .composer-row :is(textarea, .button)") == []
    phone.page.evaluate("document.activeElement.blur()")
    expect(phone.page.locator(".nav")).to_be_visible()


def known(server: Server, project: Path) -> None:
    """A session in the project, from a terminal."""
    api.session(server.sandbox.config_dir, project, api.prompt("Prune", project), SESSION)


def assert_in_view(bar: Locator, target: Locator) -> None:
    box, limit = target.bounding_box(), bar.bounding_box()
    assert box
    assert limit
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= limit["y"]
