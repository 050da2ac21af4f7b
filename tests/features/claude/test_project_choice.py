"""The choice of a project on the pages about Claude's configuration, and their list, on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.support.clients import api
from tests.support.pages.browser import Phone
from tests.support.populated import SESSION
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

OVERLAPPING = """rows => rows.filter(row => {
    const [icon, title] = [".icon", ".row-title"].map(
        each => row.querySelector(each).getBoundingClientRect());
    return icon.right > title.left;
}).map(row => row.textContent.trim())"""


def test_chosen_project_is_shown_at_once_on_a_touch_screen(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    sandbox = shared_server.sandbox
    text = api.prompt("Hello", sandbox.project)
    api.session(sandbox.config_dir, sandbox.project, text, SESSION)
    page = open_phone(shared_server, is_mobile=True, has_touch=True).page
    page.goto("/claude/permissions")
    page.get_by_label("Project").select_option(label=sandbox.project.name)
    page.wait_for_url(f"**/claude/permissions?folder={quote(str(sandbox.project), safe='')}")
    page.get_by_role("link", name="Allow something").click()
    page.wait_for_url(re.compile(r"/claude/permissions/rule\?.*folder="))


def test_symbols_of_the_list_leave_room_for_the_words_at_twice_the_size(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    page = open_phone(shared_server).page
    page.goto("/claude")
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    assert page.locator(".claude-entry").evaluate_all(OVERLAPPING) == []
