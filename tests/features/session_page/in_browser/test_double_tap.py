"""The second tap of a double tap never answers a request that has just come to its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.features.session_page.in_browser.look.lines import asks, texts
from tests.support.environment import until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(180)]

KEYBOARD = {"width": 390, "height": 420}
OPEN = ".block-ask[data-state=open]"
UNDER_FINGER = """addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("%s");
    if (!button) return;
    button.scrollIntoView();
    const { left, right, top, bottom } = button.getBoundingClientRect();
    const target = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    window.underFinger = button.contains(target) ? "the button" : target.localName;
});"""
"""Notes what a finger on the middle of a button touches as soon as a page is drawn."""


@pytest.fixture
def two_requests(shared_server: Server, kept_phone: Phone) -> Phone:
    """The page of a session with two open requests, one below the other."""
    phone = kept_phone
    # the stand-in reads one answer only
    steps = [*texts(2), asks("r1", "Bash", command="ls"), ["ask", "r2"], ["wait", "/no"]]
    phone.begin(shared_server.sandbox.project, json.dumps(steps))
    expect(phone.page.locator(OPEN)).to_have_count(2)
    expect(phone.page.locator("[data-new]")).to_have_count(0)
    return phone


@pytest.fixture
def working(shared_server: Server, kept_phone: Phone) -> Phone:
    """The page of a session in which Claude works until it is stopped."""
    phone = kept_phone
    phone.begin(shared_server.sandbox.project, json.dumps([*texts(1), ["wait", "/no"]]))
    expect(phone.status).to_have_attribute("data-phase", "working")
    return phone


PRESS_WHAT_MOVES = """() => new MutationObserver(() => {
    const open = [...document.querySelectorAll(".block-ask[data-state=open]")];
    const isThere = open.length === 1 && open[0].matches("[data-new]");
    if (!isThere || document.body.dataset.pressed) return;
    document.body.dataset.pressed = "yes";
    open[0].querySelector(".button[value=allow]").click();
}).observe(document.body, { childList: true, subtree: true, attributes: true })"""
"""A finger that is faster than Playwright's checks: it presses what has just come to its place."""


def test_allowing_one_request_does_not_allow_the_next_one(two_requests: Phone) -> None:
    page = two_requests.page
    page.evaluate(PRESS_WHAT_MOVES)
    page.locator(OPEN).first.get_by_role("button", name="Allow").click()
    expect(page.locator("body")).to_have_attribute("data-pressed", "yes")
    expect(page.locator(OPEN)).to_have_count(1)
    expect(page.locator("[data-new]")).to_have_count(0)
    expect(page.locator(OPEN)).to_have_count(1)
    expect(page.locator(f"{OPEN}[data-held]")).to_have_count(0)


def test_a_request_takes_no_press_when_it_has_come_and_when_it_is_first_shown(
    shared_server: Server, open_phone: Callable[..., Phone], tmp_path: Path
) -> None:
    phone, go = open_phone(shared_server), tmp_path / "go"
    page, new = phone.page, phone.page.locator(f"{OPEN}[data-new]")
    page.clock.install()
    steps = [*texts(30), ["wait", str(go)], asks("r1", "Bash", command="ls"), ["wait", "/no"]]
    phone.begin(shared_server.sandbox.project, json.dumps(steps))
    expect(phone.transcript).to_contain_text("Number 29")
    page.clock.run_for(10_000)  # the page has been there for long
    page.mouse.move(195, 300)
    page.mouse.wheel(0, -1500)
    expect(page.locator("#jump")).to_be_visible()
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)
    go.touch()

    def has_come() -> int:
        page.clock.run_for(20)
        return page.locator(OPEN).count()

    until(has_come, "the request has come")
    expect(page.locator(OPEN)).not_to_be_in_viewport()
    page.clock.run_for(100)
    expect(new).to_have_count(1)
    page.clock.run_for(800)
    expect(new).to_have_count(0)

    page.locator(OPEN).evaluate("each => each.scrollIntoView()")
    expect(page.locator(OPEN)).to_be_in_viewport()
    expect(new).to_have_count(1)
    page.clock.run_for(600)
    expect(new).to_have_count(1)
    page.clock.run_for(200)
    expect(new).to_have_count(0)


def test_double_tap_on_a_link_to_a_session_does_not_answer_its_request(
    two_requests: Phone,
) -> None:
    session, page = two_requests.session_id, two_requests.page.context.new_page()
    page.add_init_script(UNDER_FINGER % ".button[value=allow]")
    for motion in ("reduce", "no-preference"):
        page.emulate_media(reduced_motion=motion)
        page.goto("/runs")
        assert page.evaluate("underFinger") != "the button"
        page.locator(f"#runs .row[href*='{session}']").click()
        page.locator("body[data-link=online]").wait_for()
        assert page.evaluate("underFinger") != "the button"
    page.locator(OPEN).first.get_by_role("button", name="Allow").click()
    expect(page.locator(OPEN)).to_have_count(1)
    page.close()


def test_page_of_a_new_session_has_no_stop_under_the_finger_that_sent_its_prompt(
    shared_server: Server, kept_phone: Phone
) -> None:
    page, project = kept_phone.page.context.new_page(), str(shared_server.sandbox.project)
    page.add_init_script(UNDER_FINGER % "#stop .button")
    page.emulate_media(reduced_motion="reduce")  # a transition between pages takes presses as well
    page.goto(f"/new?folder={quote(project)}")
    page.get_by_role("textbox", name="Prompt").fill(json.dumps([*texts(1), ["wait", "/no"]]))
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_url("**/sessions/*")
    page.wait_for_function("() => window.underFinger")
    assert page.evaluate("underFinger") != "the button"
    page.locator("#stop").get_by_role("button", name="Stop").click()  # once it takes a press
    expect(page.locator("#status")).to_have_text("Stopped by you.")
    page.close()


class Finger:
    """Taps by real touches; between them time passes for the page, and only then."""

    def __init__(self, phone: Phone) -> None:
        self.page = phone.page
        self.stops: list[str] = []
        self.page.on(
            "request", lambda each: self.stops.append(each.url) if "/stop" in each.url else None
        )
        self.page.clock.pause_at(self.page.evaluate("Date.now()") + 1000)

    def tap(self, at: tuple[float, float]) -> None:
        self.page.touchscreen.tap(*at)
        self.wait(300)

    def wait(self, ms: int) -> None:
        self.page.clock.run_for(ms)


@pytest.fixture
def typing(shared_server: Server, open_phone: Callable[..., Phone]) -> Phone:
    """The page of a session in which Claude works, on a phone whose keyboard is open."""
    phone = open_phone(shared_server, viewport=KEYBOARD, has_touch=True, is_mobile=True)
    phone.page.clock.install()
    phone.begin(shared_server.sandbox.project, json.dumps([*texts(1), ["wait", "/no"]]))
    expect(phone.status).to_have_attribute("data-phase", "working")
    phone.page.get_by_role("textbox", name="Prompt").tap()
    phone.page.keyboard.type("And this")
    return phone


def test_tapping_on_after_a_prompt_neither_stops_the_run_nor_inserts_another_prompt(
    typing: Phone,
) -> None:
    phone, page, finger = typing, typing.page, Finger(typing)
    field = page.get_by_role("textbox", name="Prompt")
    place = middle_of(phone.button("Send"))
    for _ in range(8):
        finger.tap(place)
    expect(page.locator("#queue li")).to_have_count(1)
    expect(page.locator("#sending [data-state=sending]")).to_have_count(0)
    assert finger.stops == []
    expect(page.locator("#prompt-sheet")).to_be_hidden()
    expect(field).to_have_value("")
    expect(field).to_be_focused()
    expect(page.locator("#stop .button")).to_have_css("opacity", "0.5")
    finger.wait(1100)  # nobody has tapped for a second
    expect(page.locator("#stop .button")).to_have_css("opacity", "1")
    finger.tap(place)
    expect(phone.status).to_have_attribute("data-phase", re.compile("stopping|ended"))
    for _ in range(3):
        finger.tap(place)
    expect(field).to_be_focused()
    expect(page.locator("#prompt-sheet")).to_be_hidden()
    expect(phone.status).to_have_text("Stopped by you.")


def test_stop_takes_a_press_at_once_when_the_field_was_emptied_by_hand(typing: Phone) -> None:
    phone, finger = typing, Finger(typing)
    phone.page.get_by_role("textbox", name="Prompt").fill("")
    stop = phone.page.locator("#stop .button")
    expect(stop).to_have_css("opacity", "1")
    with phone.page.expect_request("**/stop"):
        finger.tap(middle_of(stop))


def middle_of(each: Locator) -> tuple[float, float]:
    expect(each).to_be_visible()
    box = each.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_tapping_on_while_a_prompt_is_on_its_way_does_not_stop_the_run(
    working: Phone,
) -> None:
    phone, page = working, working.page
    held: list[Route] = []
    stops: list[str] = []
    page.route("**/prompt", lambda route: held.append(route))
    page.on("request", lambda each: stops.append(each.url) if "/stop" in each.url else None)
    page.get_by_role("textbox", name="Prompt").fill("And this")
    middle = middle_of(phone.button("Send"))
    page.mouse.click(*middle)
    page.locator("#composer[data-just-sent=slow]").wait_for()

    page.mouse.click(*middle)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert (len(held), stops) == (1, [])
    stop = phone.button("Stop")  # the only one: nobody is locked out if the server hangs
    expect(stop).to_have_count(1)
    expect(page.locator(".state").get_by_role("button", name="Stop")).to_be_enabled()

    held.pop().continue_()
    expect(page.locator("#composer[data-just-sent]")).to_have_count(0)
    expect(page.locator("#queue li")).to_have_count(1)
    phone.button("Stop").click()
    expect(phone.status).to_have_text("Stopped by you.")


def test_a_press_that_comes_before_the_scripts_counts(working: Phone) -> None:
    page, held = working.page, list[Route]()
    page.route("**/later.bundle*", lambda route: held.append(route))
    page.reload(wait_until="commit")
    until(lambda: page.title() and held, "the page's own script is there, and htmx on its way")
    page.locator("#stop").get_by_role("button", name="Stop").click()
    expect(working.status).to_have_text(re.compile("Stopp(ing…|ed by you.)"))
