"""/runs on a phone: requests answered in their rows, menus, refreshing, and sizes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.features.attention.runs import Stray, asks, begin, ended, record
from tests.support.environment import until
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

LONG = {"command": "npm test\nnpm run deploy"}


def answers(folder: Path) -> list[str]:
    lines = map(json.loads, (folder / "in.ndjson").read_text().splitlines())
    responses = (line["response"] for line in lines if line["type"] == "control_response")
    return [each["response"]["behavior"] for each in responses]


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False], ids=["", "without JavaScript"])
def test_a_short_request_is_answered_in_its_row_and_a_longer_one_at_its_top(
    server: Server, open_phone: Callable[..., Phone], scripts: bool
) -> None:
    long = begin(server, ["lines", 30], *asks("r1", **LONG))
    short = begin(server, *asks("r2", command="npm test", description="Run the tests"))
    until(lambda: server.get("/runs").text.count('data-count="2"') == 1, "both ask")
    phone = open_phone(server, java_script_enabled=scripts)
    page = phone.page
    page.goto("/runs")
    row = page.locator(f"#row-{short.name}")
    expect(row.locator(".run-about")).to_have_text("Run the tests")
    expect(row.locator(".run-call")).to_have_text("Bash npm test")
    expect(page.locator(f"#row-{long.name}").get_by_role("button", name="Allow")).to_have_count(0)
    row.get_by_role("button", name="Allow" if scripts else "Deny").click()
    until(lambda: answers(short) == ["allow" if scripts else "deny"], "Claude has the answer")
    page.wait_for_url("**/runs")
    expect(row.get_by_role("button", name="Allow")).to_have_count(0)
    page.locator(f"#row-{long.name}").get_by_role("link", name="Look and answer").click()
    page.wait_for_url("**#b-r1")
    expect(page.get_by_role("heading", name="Allow Bash?")).to_be_in_viewport(ratio=1)


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False], ids=["", "without JavaScript"])
def test_stop_is_in_the_menu_of_the_row(
    server: Server, open_phone: Callable[..., Phone], scripts: bool
) -> None:
    folder = begin(server)
    phone = open_phone(server, java_script_enabled=scripts)
    phone.page.goto("/runs")
    stop = phone.button("Stop")
    expect(stop).to_be_hidden()
    phone.button("Session menu").click()
    expect(stop).to_be_visible()
    box = stop.bounding_box()
    assert box
    assert box["y"] > 844 * 0.4, "within reach of a thumb"
    stop.click()
    phone.page.wait_for_url("**/runs")
    until(lambda: record(folder)["end"], "it has ended")


@pytest.mark.browser
def test_refreshing_takes_no_control_from_under_a_finger(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    """An open menu stays, while other rows go on; what has moved takes no press for a moment."""
    first = begin(server, *asks("r1", command="npm test"))
    page = open_phone(server).page
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
@pytest.mark.parametrize("scripts", [True, False], ids=["", "without JavaScript"])
def test_stop_all_asks_first(
    server: Server, open_phone: Callable[..., Phone], scripts: bool
) -> None:
    folder = begin(server)
    phone = open_phone(server, java_script_enabled=scripts)
    phone.page.goto("/runs")
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
def test_auto_refresh_keeps_opened_details_open(
    server: Server, open_phone: Callable[..., Phone], stray: Stray
) -> None:
    folder = ended(server)
    begin(server)
    phone = open_phone(server)
    phone.page.goto("/runs")
    phone.page.locator("summary", has_text="Stop all").click()
    phone.page.locator("h1").first.click()  # the focus goes elsewhere
    stray(folder)
    expect(phone.page.get_by_role("heading", name="Left behind")).to_be_visible()
    expect(phone.button("Stop everything")).to_be_visible()


@pytest.mark.browser
def test_the_page_fits_and_can_be_tapped(
    server: Server, open_phone: Callable[..., Phone], stray: Stray
) -> None:
    stray(ended(server))
    begin(server, ["grandchild"])
    until(lambda: "Left behind" in server.get("/runs").text, "what was left is found")
    phone = open_phone(server)
    for width in (320, 390, 1280):
        phone.page.set_viewport_size({"width": width, "height": 740})
        phone.page.goto("/runs")
        phone.page.locator("summary", has_text="Stop all").click()
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= width
        for step in ("the rows", "a menu"):
            assert page_checks.smaller_than_a_thumb(phone.page) == [], (width, step)
            phone.button("Session menu").first.click()
