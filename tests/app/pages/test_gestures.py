"""Gestures of a finger on a phone: real touches, which the browser may also take for scrolling."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, CDPSession, Locator, Page, expect

from tests.support.clients import api
from tests.support.pages import page_checks
from tests.support.pages.browser import MOVING, Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(180)]

OpenPhone = Callable[..., Phone]
PRESS_MS = 700
"""Longer than static/gestures.js waits."""
GIVE_MENU = """row => {
    const item = row.closest("li");
    // what has another id is not refreshed: the menu would go with the row, three seconds later
    for (let each = item; each; each = each.parentElement)
        if (each.matches("[data-fresh]")) each.id = `kept-${each.id}`;
    item.insertAdjacentHTML("beforeend", `
        <button type="button" popovertarget="m1" aria-label="Session menu">⋮</button>
        <div id="m1" class="menu" popover>
        <a class="menu-item" href="/runs">What it uses</a>
        <button class="menu-item menu-danger" type="button">Stop it</button></div>`);
    item.querySelector(".menu-danger").addEventListener("click",
        () => { document.body.dataset.stopped = "yes"; });
}"""
"""A menu as rows of running sessions have it, on a row that is not replaced meanwhile."""


@dataclass
class Finger:
    """One finger, in CSS pixels."""

    page: Page
    devtools: CDPSession

    def down(self, x: float, y: float) -> None:
        self._send("touchStart", x, y)

    def move(self, x: float, y: float) -> None:
        self._send("touchMove", x, y)

    def up(self) -> None:
        self._send("touchEnd")

    def drag(self, x: float, y: float, dx: float, dy: float, steps: int = 12) -> None:
        """Without letting go."""
        self.down(x, y)
        for step in range(1, steps + 1):
            self.move(x + dx * step / steps, y + dy * step / steps)
            self.page.wait_for_timeout(16)  # a frame, as a screen samples
        self.page.wait_for_timeout(120)  # at rest: no fling, which would take the next tap

    def press(self, x: float, y: float) -> None:
        self.down(x, y)
        self.page.wait_for_timeout(PRESS_MS)
        self.up()

    def hold(self, x: float, y: float) -> None:
        """Until the page takes it for a long press, which a busy machine sees late."""
        self.down(x, y)
        self.page.locator(".held").wait_for()
        self.up()

    def _send(self, kind: str, *at: float) -> None:
        points = [{"x": at[0], "y": at[1]}] if at else []
        self.devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


TOUCHED = {"has_touch": True, "is_mobile": True, **MOVING}


@pytest.fixture(scope="module")
def _finger(browser: Browser, shared_server: Server) -> Iterator[tuple[Phone, Finger]]:
    with closing(Phone(browser, shared_server, **TOUCHED)) as phone:
        yield phone, finger_on(phone)


@pytest.fixture
def phone(_finger: tuple[Phone, Finger]) -> Iterator[Phone]:
    """That of all tests here but the one that installs the app."""
    yield _finger[0]
    _finger[0].hand_on()


@pytest.fixture
def finger(_finger: tuple[Phone, Finger]) -> Finger:
    return _finger[1]


def finger_on(phone: Phone) -> Finger:
    return Finger(phone.page, phone.page.context.new_cdp_session(phone.page))


def ready(page: Page) -> None:
    """Its stylesheet is the last that the script asks for."""
    page.locator('head link[href*="gestures.css"]').wait_for(state="attached")


def touched(phone: Phone) -> None:
    """A session's page loads the script when it is touched."""
    phone.page.touchscreen.tap(380, 400)
    ready(phone.page)


def middle(found: Locator) -> tuple[float, float]:
    box = found.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.fixture
def plain_row(phone: Phone, shared_server: Server) -> Locator:
    """A row on the first page, without a menu."""
    sandbox = shared_server.sandbox
    session, entry = str(uuid.uuid4()), json.loads(api.prompt("Prune", sandbox.project))
    entry |= {"uuid": str(uuid.uuid4()), "parentUuid": None, "sessionId": session}
    api.session(sandbox.config_dir, sandbox.project, api.line(entry), session)
    phone.page.goto("/")
    ready(phone.page)
    return phone.page.locator(".list a.row").first


@pytest.fixture
def row(plain_row: Locator) -> Locator:
    plain_row.evaluate(GIVE_MENU)
    return plain_row


def test_a_swipe_shows_the_actions_of_a_row(phone: Phone, finger: Finger, row: Locator) -> None:
    page = phone.page
    x, y = middle(row)
    finger.drag(x + 80, y, -180, 6)
    finger.up()
    strip = page.get_by_role("group", name="Actions")
    expect(strip.get_by_role("button", name="Stop it")).to_be_in_viewport(ratio=1)
    small = page_checks.smaller_than_a_thumb(page)
    assert not [each for each in small if "swipe" in each]
    assert page_checks.sticks_out(page) <= 0
    page.touchscreen.tap(30, y)  # puts the row back, and opens nothing
    expect(strip).to_have_count(0)
    finger.drag(x + 80, y, -180, 6)
    finger.up()
    strip.get_by_role("button", name="Stop it").tap()
    expect(page.locator("body")).to_have_attribute("data-stopped", "yes")
    expect(strip).to_have_count(0)
    finger.drag(x + 80, y, -180, 6)
    finger.up()
    strip.get_by_role("button", name="More").tap()
    expect(page.locator("#m1")).to_be_visible()
    assert urlsplit(page.url).path == "/"


CUT_SHORT = """addEventListener("pagereveal", ({ viewTransition }) => {
    if (!viewTransition) return;
    const skip = () => viewTransition.skipTransition();
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", skip);
    else skip();
    const done = () => { document.documentElement.dataset.cut = "yes"; };
    viewTransition.finished.then(() => setTimeout(done));
})"""


def test_a_transition_between_pages_that_is_cut_short_is_no_error(phone: Phone) -> None:
    """As by a keyboard that opens meanwhile."""
    errors: list[str] = []
    with closing(phone.page.context.new_page()) as page:
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script(CUT_SHORT)
        page.goto("/")
        page.get_by_role("navigation").get_by_role("link", name="Running").click()
        page.wait_for_url("**/runs")
        expect(page.locator("html")).to_have_attribute("data-cut", "yes")
    assert errors == []


def test_a_short_or_steep_swipe_shows_nothing(phone: Phone, finger: Finger, row: Locator) -> None:
    page = phone.page
    x, y = middle(row)
    for dx, dy in ((-40, 4), (-60, -120), (120, 0)):
        finger.drag(x, y, dx, dy)
        finger.up()
        expect(page.get_by_role("group", name="Actions")).to_have_count(0)
    assert urlsplit(page.url).path == "/"


def test_a_long_press_opens_the_menu_of_a_row(phone: Phone, finger: Finger, row: Locator) -> None:
    page = phone.page
    finger.hold(*middle(row))
    expect(page.locator("#m1")).to_be_visible()
    assert urlsplit(page.url).path == "/"


def test_rows_without_a_menu_are_left_alone(
    phone: Phone, finger: Finger, plain_row: Locator
) -> None:
    x, y = middle(plain_row)
    finger.drag(x + 80, y, -180, 0)
    finger.up()
    expect(phone.page.get_by_role("group", name="Actions")).to_have_count(0)


def test_a_long_press_on_a_message_opens_its_menu_and_on_words_selects_them(
    phone: Phone, finger: Finger, shared_server: Server
) -> None:
    page = phone.page
    words = "Some words to select. " * 12
    phone.begin(shared_server.sandbox.project, json.dumps([["text", words]]))
    touched(phone)
    text = page.locator(".block-text")
    expect(text).to_contain_text("Some words")
    expect(phone.status).to_have_text("Ready for the next prompt")
    box = text.locator("p").bounding_box()
    assert box
    for _ in range(5):
        finger.down(box["x"] + 40, box["y"] + 10)
        page.wait_for_function(
            "() => !getSelection().isCollapsed || document.querySelector('.held')"
        )
        is_late = page.locator(".held").count()  # of a busy machine, the browser's selection
        finger.up()
        if not is_late:
            break
        expect(page.get_by_role("dialog", name="Link, copy, fork")).to_be_visible()
        page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Link, copy, fork")).to_have_count(0)
    assert page.evaluate("getSelection().toString()") in words
    page.evaluate("getSelection().removeAllRanges()")
    summary = page.locator(".block-summary > details > summary")
    box = summary.bounding_box()
    assert box
    finger.hold(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # the line beside it
    expect(page.get_by_role("dialog", name="Link, copy, fork")).to_be_visible()


def test_a_scrolled_transcript_scrolls_though_the_finger_rests_first(
    phone: Phone, finger: Finger, shared_server: Server
) -> None:
    page = phone.page
    steps = [["text", f"Number {number}. {'Word. ' * 60}"] for number in range(8)]
    phone.begin(shared_server.sandbox.project, json.dumps(steps))
    touched(phone)
    expect(page.locator(".block-summary")).to_have_count(1)
    expect(phone.status).to_have_text("Ready for the next prompt")
    page.evaluate("scrollTo({ top: 600, behavior: 'instant' })")
    finger.drag(195, 300, 4, 200)
    finger.up()
    page.wait_for_function("() => scrollY < 500")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_pull_refreshes_an_installed_page_only(
    shared_server: Server, open_phone: OpenPhone
) -> None:
    phone = open_phone(shared_server, **TOUCHED)
    page, finger = phone.page, finger_on(phone)
    for installed in (False, True):
        if installed:
            # as iOS says it; Chromium's devtools do not emulate a display-mode
            page.add_init_script("Object.defineProperty(navigator, 'standalone', { value: true })")
        page.goto("/")
        ready(page)
        page.evaluate("document.body.dataset.old = 'yes'")
        finger.drag(195, 200, 4, 100)  # not far enough
        finger.up()
        finger.drag(195, 200, 4, 260)
        expect(page.locator(".pull-ready")).to_have_count(int(installed))
        finger.up()
        expect(page.locator("body[data-old]")).to_have_count(0 if installed else 1)
