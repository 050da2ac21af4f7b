"""Selecting sessions on a phone: checkboxes, the bar, tags, a long press."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from opcode_htmx.engines.claude.files.history import project_id
from tests.support.clients import api
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

OpenPhone = Callable[..., Phone]
TITLES = ("prune the trees", "water the beds", "mend the fence", "sow the peas")


@pytest.fixture
def project(shared_server: Server) -> str:
    """The page of a new project with a session for each title, the first used last."""
    sandbox = shared_server.sandbox.with_own_project()
    for number, title in enumerate(TITLES):
        text = api.prompt(title, sandbox.project, api.NOON - number * 3600)
        api.session(sandbox.config_dir, sandbox.project, text)
    return f"/projects/{project_id(sandbox.project)}"


def wait_for_titles(page: Page, *titles: str) -> None:
    """Wait until the page lists these sessions, in this order."""
    expect(page.locator(".list .row-title")).to_have_text(titles)


def select(page: Page) -> None:
    """Begin to select in the list that the page shows."""
    page.get_by_role("link", name="Select").click()
    page.wait_for_url("**select=**")  # the list before it has links named All as well


def select_all(page: Page) -> None:
    select(page)
    page.get_by_role("link", name="All").click()
    expect(page.get_by_role("link", name="None")).to_be_visible()


def test_sessions_are_selected_and_cared_for(kept_phone: Phone, project: str) -> None:
    page = kept_phone.page
    page.goto(project)
    select(page)
    bar = page.get_by_role("group", name="With the selected sessions")
    box = bar.bounding_box()
    assert box is not None
    assert 0 <= box["y"] + box["height"] - 844 <= 1  # at the bottom of the screen
    count = bar.locator(".select-count")
    expect(count).to_have_text("0 selected")
    assert page_checks.violations(page) == []
    page.get_by_role("link", name="All").click()
    expect(count).to_have_text("4 selected")
    page.get_by_role("link", name="None").click()
    for title in TITLES[2:]:
        page.get_by_label(title).check()
    expect(count).to_have_text("2 selected")
    assert page_checks.smaller_than_a_thumb(page) == []
    assert page_checks.sticks_out(page) <= 0
    expect(bar.get_by_role("button", name="Unpin")).to_be_hidden()
    bar.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_text("2 sessions pinned.")).to_be_visible()
    pinned = "Pinned: mend the fence"
    wait_for_titles(page, pinned, "Pinned: sow the peas", "prune the trees", "water the beds")

    select(page)
    page.get_by_label("mend the fence").check()
    expect(bar.get_by_role("button", name="Unpin")).to_be_visible()  # that is pinned
    page.get_by_label("prune the trees").check()
    expect(bar.get_by_role("button", name="Unpin")).to_be_hidden()
    bar.get_by_role("button", name="Tag").click()
    sheet = page.get_by_role("dialog", name="Tags")
    assert page_checks.too_small_to_type_in(page) == []
    sheet.get_by_role("textbox").fill("Spring, food")
    sheet.get_by_role("textbox").press("Enter")
    expect(page.get_by_text("2 sessions tagged.")).to_be_visible()
    page.get_by_role("link", name="spring 2").click()
    wait_for_titles(page, pinned, "prune the trees")
    archived_and_deleted_ones_come_back(page, bar)


def test_without_scripts_the_bar_counts_and_sends_what_is_selected(
    shared_server: Server, open_phone: OpenPhone, project: str
) -> None:
    """What its other buttons do: see selected/."""
    page = open_phone(shared_server, java_script_enabled=False).page
    page.goto(f"{project}?select=1")
    bar = page.get_by_role("group", name="With the selected sessions")
    page.get_by_label("sow the peas").check()
    shown = bar.locator(".select-count").evaluate(
        "each => each.textContent || getComputedStyle(each, '::before').content"
    )
    assert "selected" in shown
    expect(bar.get_by_role("button", name="Unpin")).to_be_hidden()
    bar.get_by_role("button", name="Pin", exact=True).click()
    wait_for_titles(page, "Pinned: sow the peas", *TITLES[:3])


def archived_and_deleted_ones_come_back(page: Page, bar: Locator) -> None:
    """Of the two sessions that the page shows."""
    select_all(page)
    bar.get_by_role("button", name="Archive").click()
    page.get_by_role("link", name="Archived (2)").click()
    wait_for_titles(page, "prune the trees", "mend the fence")
    select_all(page)
    bar.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted 2 sessions.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Archived (2)")).to_be_visible()
    wait_for_titles(page, "Pinned: sow the peas", "water the beds")


def test_a_long_press_on_a_row_begins_to_select_with_it(
    shared_server: Server, open_phone: OpenPhone, project: str
) -> None:
    page = open_phone(shared_server, has_touch=True, is_mobile=True).page
    page.goto(project)
    page.wait_for_function("document.querySelector('link[href*=gestures]')?.sheet")
    row = page.get_by_role("link", name="water the beds").bounding_box()
    assert row is not None
    touch = page.context.new_cdp_session(page)
    point = {"x": row["x"] + 60, "y": row["y"] + 20}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    page.locator(".held").wait_for()
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_url("**select=**")
    expect(page.get_by_label("water the beds")).to_be_checked()
    expect(page.locator(".select-count")).to_have_text("1 selected")
