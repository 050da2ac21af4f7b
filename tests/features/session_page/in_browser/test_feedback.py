"""Every tap is answered on the screen while the network is silent, and nothing is sent twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.features.session_page.in_browser.look.lines import asks, texts
from tests.features.session_page.in_browser.where.beginning import begin
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import wait_until_pressable
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(180)]

FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
SUGGESTION = {
    "type": "addRules",
    "rules": [{"toolName": "Bash", "ruleContent": "rm a.txt"}],
    "behavior": "allow",
    "destination": "session",
}


def ask_with_suggestion() -> list[object]:
    request = {
        "subtype": "can_use_tool",
        "tool_name": "Bash",
        "input": {"command": "rm a.txt"},
        "permission_suggestions": [SUGGESTION],
    }
    entry = {"type": "control_request", "request_id": "r1", "request": request}
    return ["raw", json.dumps(entry) + "\n"]


SILENT = """() => {
    window.sent = 0;
    window.fetch = address => {
        if (!/draft|badge|[.]css/.test(address)) sent += 1; // those are sent without a tap
        return new Promise(() => {});
    };
    // after the page's own listeners: the way to the next page takes for ever as well
    for (const type of ["click", "submit"]) addEventListener(type, event => {
        const leaves = type === "submit" || event.target.closest("a[href]");
        if (!leaves || event.defaultPrevented) return;
        sent += 1;
        event.preventDefault();
    });
}"""
"""No request of the page is answered; `sent` counts those since it was set to 0."""


@dataclass(frozen=True)
class Control:
    """A control, how to bring it into view, and what is seen to change when it is tapped."""

    name: str
    find: Callable[[Page], Locator]
    prepare: Callable[[Page], object] = lambda page: None
    changes: str = ""
    """A selector; by default the control itself."""


def button(name: str) -> Callable[[Page], Locator]:
    return lambda page: page.get_by_role("button", name=name, exact=True).first


def opened(name: str) -> Callable[[Page], object]:
    return lambda page: page.locator("summary", has_text=name).click()


def menu(page: Page) -> None:
    if not page.locator("#menu").is_visible():
        page.get_by_role("button", name="Session menu").click()


def search(page: Page) -> None:
    menu(page)
    page.locator("#menu-q").fill("x")


def text(page: Page) -> None:
    page.locator("#prompt").fill("And then this")


ALLOW = Control("Allow", button("Allow"))
ALWAYS = Control(
    "Always allow", lambda page: page.locator(".always .button"), opened("Always allow")
)
DOCK = (
    Control("Stop", button("Stop")),
    Control("Send", button("Send"), text, changes="#sending"),
)
MENU = (
    Control("Rename", button("Rename"), menu),
    Control("Fork", button("Fork: a new session from here"), menu),
    Control("Delete", button("Delete session"), menu),
    Control("Search", button("Search"), search),
)
EDIT = Control("Edit in the queue", lambda page: page.locator("#queue .button").first)
STOP_LINE = Control("Stop in the status line", button("Stop"), text)
BACK = Control("Back", lambda page: page.locator(".topbar .back"))
TAPPED_IN_TURN = ((ALLOW, *DOCK, *MENU), (ALWAYS, STOP_LINE, EDIT, BACK))
"""The controls that are tapped on one page: those of one group only hold each other. The other
answers to a request are buttons of its form as these are."""


def tap_and_compare(page: Page, control: Control) -> bool:
    """Whether the tap changes the picture before any answer comes."""
    control.prepare(page)
    wait_until_pressable(page)
    page.evaluate(FRAMES)
    found = control.find(page)
    found.scroll_into_view_if_needed()
    box = found.bounding_box()
    assert box is not None
    clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}
    if control.changes:
        expect(page.locator(control.changes)).to_be_empty()
    before = page.screenshot(clip=clip, animations="disabled")  # type: ignore[arg-type]
    page.evaluate("window.sent = 0")
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(*middle)
    page.evaluate(FRAMES)
    if control.changes:
        return page.locator(control.changes).inner_text().strip() != ""
    after = page.screenshot(clip=clip, animations="disabled")  # type: ignore[arg-type]
    assert page.evaluate("sent") == 1, control.name
    if found.evaluate("each => each.matches('a')"):
        return before != after  # a link that is tapped again loads again
    page.mouse.click(*middle)
    assert page.evaluate("sent") == 1, f"{control.name}: the second tap sent something"
    return before != after


def test_every_tap_on_a_session_is_seen_before_the_server_answers(
    kept_phone: Phone, server: Server
) -> None:
    phone = kept_phone
    phone.begin(
        server.sandbox.project, json.dumps([*texts(2), ask_with_suggestion(), ["wait", "/no"]])
    )
    expect(phone.button("Allow")).to_be_visible()
    phone.send("wait in the queue")
    expect(phone.page.locator("#queue li")).to_have_count(1)
    expect(phone.page.locator("#sending")).to_be_empty()
    address = phone.page.url
    unseen = []
    for controls in TAPPED_IN_TURN:
        phone.page.goto("about:blank")
        phone.open_session(address)
        phone.page.evaluate(SILENT)
        unseen += [each.name for each in controls if not tap_and_compare(phone.page, each)]
    assert unseen == []


def test_every_tap_on_a_list_is_seen_before_the_next_page_comes(
    kept_phone: Phone, server: Server
) -> None:
    begin(server, *texts(1), asks("r1", "Bash", command="ls"), ["wait", "/no"])
    page, unseen = kept_phone.page, list[tuple[str, str]]()
    for path, selector in (
        ("/", ".nav-bar a >> nth=1"),
        ("/runs", "#runs .row"),
        ("/logins", ".list .button"),
    ):
        page.goto(path)
        found = page.locator(selector).first
        before = found.screenshot(animations="disabled")
        page.evaluate(SILENT)
        found.click()
        page.evaluate(FRAMES)
        assert page.evaluate("'going' in document.documentElement.dataset"), path
        if found.screenshot(animations="disabled") == before:
            unseen.append((path, selector))
    assert unseen == []

    page.goto("/runs")
    page.locator("#runs .row").first.click()
    page.wait_for_url("**/sessions/**")
    page.go_back()
    expect(page.locator("[aria-busy=true], [data-held], [data-going]")).to_have_count(0)
