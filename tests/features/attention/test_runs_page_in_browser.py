"""/runs on a phone: requests answered in their rows, menus, refreshing, and sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.features.attention.runs import Stray, asks, begin, ended, record
from tests.support.environment import until
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

LONG = {"command": "npm test\nnpm run deploy"}


@pytest.fixture(scope="module")
def shared_server(quiet_server: Server) -> Server:
    """That of the phone that is kept."""
    return quiet_server


def answers(folder: Path) -> list[str]:
    lines = map(json.loads, (folder / "in.ndjson").read_text().splitlines())
    responses = (line["response"] for line in lines if line["type"] == "control_response")
    return [each["response"]["behavior"] for each in responses]


def answers_in_their_rows(page: Page, short: Path, long: Path) -> None:
    """A short request is answered in its row, a longer one where it is shown."""
    row = page.locator(f"#row-{short.name}")
    expect(row.locator(".run-about")).to_have_text("Run the tests")
    expect(row.locator(".run-call")).to_have_text("Bash npm test")
    expect(page.locator(f"#row-{long.name}").get_by_role("button", name="Allow")).to_have_count(0)
    row.get_by_role("button", name="Allow").click()
    until(lambda: answers(short) == ["allow"], "Claude has the answer")
    page.wait_for_url("**/runs")
    expect(row.get_by_role("button", name="Allow")).to_have_count(0)
    page.locator(f"#row-{long.name}").get_by_role("link", name="Look and answer").click()
    page.wait_for_url("**#b-r1")
    expect(page.get_by_role("heading", name="Allow Bash?")).to_be_in_viewport(ratio=1)
    page.goto("/runs")


def stops_by_its_menu(page: Page, folder: Path) -> None:
    row = page.locator(f"#row-{folder.name}")
    stop = row.get_by_role("button", name="Stop")
    expect(stop).to_be_hidden()
    row.get_by_role("button", name="Session menu").click()
    expect(stop).to_be_visible()
    box = stop.bounding_box()
    assert box
    assert box["y"] > 844 * 0.4, "within reach of a thumb"
    stop.click()
    page.wait_for_url("**/runs")
    until(lambda: record(folder)["end"], "it has ended")


def stops_all_once_that_is_sure(phone: Phone, folder: Path) -> None:
    sure = phone.button("Stop everything")
    expect(sure).to_be_hidden()
    phone.page.locator("summary", has_text="Stop all").click()
    expect(phone.page.get_by_text("This ends Claude in 1 session")).to_be_visible()
    with phone.page.expect_navigation():
        sure.click()
    until(lambda: record(folder)["end"], "it has ended")
    nothing = phone.page.get_by_role("heading", name="Nothing is running")
    phone.reload_until(nothing.is_visible, "nothing is running")


@pytest.mark.browser
def test_sessions_are_answered_and_stopped_in_their_rows_and_all_together(
    server: Server, kept_phone: Phone
) -> None:
    """Forms without scripts: see home/start_page/test_lists.py, which has the same rows."""
    long = begin(server, ["lines", 30], *asks("r1", **LONG))
    short = begin(server, *asks("r2", command="npm test", description="Run the tests"))
    until(lambda: server.get("/runs").text.count('data-count="2"') == 1, "both ask")
    kept_phone.page.goto("/runs")
    answers_in_their_rows(kept_phone.page, short, long)
    stops_by_its_menu(kept_phone.page, short)
    stops_all_once_that_is_sure(kept_phone, long)


@pytest.mark.browser
def test_refreshing_takes_no_control_from_under_a_finger(server: Server, kept_phone: Phone) -> None:
    """An open menu stays, while other rows go on; what has moved takes no press for a moment."""
    first = begin(server, *asks("r1", command="npm test"))
    page = kept_phone.page
    page.goto("/runs")
    page.locator(f"#row-{first.name} .run-more").click()
    menu = page.locator(f"#menu-{first.name}")
    expect(menu).to_be_visible()
    menu.evaluate("menu => { menu.dataset.same = 'yes'; }")
    second = begin(server, *asks("r2", command="npm start"))
    with page.expect_response("**/runs"):
        pass
    expect(menu).to_have_attribute("data-same", "yes")
    expect(menu).to_be_visible()
    page.evaluate(
        """() => new MutationObserver(() => {
            const held = document.querySelector("#runs[data-held]");
            if (held && document.getElementById("row-SECOND")) {
                held.querySelector(".run-ask button").click();
                document.body.dataset.pressed = "yes";
            }
        }).observe(document.querySelector("main"), { childList: true, subtree: true,
                                                     attributes: true })""".replace(
            "SECOND", second.name
        )
    )
    page.keyboard.press("Escape")
    expect(page.locator(f"#row-{second.name}")).to_be_visible()
    expect(page.locator("body")).to_have_attribute("data-pressed", "yes")
    expect(page.locator("#runs")).not_to_have_attribute("data-held", "")
    assert (answers(first), answers(second)) == ([], [])
    page.locator(f"#row-{second.name}").get_by_role("button", name="Allow").click()
    until(lambda: answers(second) == ["allow"], "a press counts again")


@pytest.mark.browser
def test_page_that_refreshes_itself_keeps_details_open_fits_and_can_be_tapped(
    server: Server, kept_phone: Phone, stray: Stray
) -> None:
    folder = ended(server)
    begin(server, ["grandchild"])
    phone, page = kept_phone, kept_phone.page
    page.goto("/runs")
    page.locator("summary", has_text="Stop all").click()
    page.locator("h1").first.click()  # the focus goes elsewhere
    stray(folder)
    expect(page.get_by_role("heading", name="Left behind")).to_be_visible()
    expect(phone.button("Stop everything")).to_be_visible()
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page_checks.smaller_than_a_thumb(page) == [], width
        phone.button("Session menu").first.click()
        assert page_checks.smaller_than_a_thumb(page) == [], (width, "a menu")
        page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 420})
    sizes = page.locator(".page-head :is(h1, h2)").evaluate_all(
        "all => all.map(each => getComputedStyle(each).fontSize)"
    )
    assert len(sizes) > 1
    assert len(set(sizes)) == 1, "on a low screen, too"
