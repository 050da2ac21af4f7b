"""The second tap of a double tap never answers a request that has just come to its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.features.session_page.test_look import asks, texts
from tests.support.browser import Phone
from tests.support.environment import Sandbox, Server, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

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
def two_requests(
    sandbox: Sandbox,
    stand_in: Path,
    start_server: Callable[..., Server],
    open_phone: Callable[..., Phone],
) -> Phone:
    """The page of a session with two open requests, one below the other."""
    phone = open_phone(start_server(sandbox, stand_in))
    # the stand-in reads one answer only
    steps = [*texts(2), asks("r1", "Bash", command="ls"), ["ask", "r2"], ["wait", "/no"]]
    phone.begin(sandbox.project, json.dumps(steps))
    expect(phone.page.locator(OPEN)).to_have_count(2)
    expect(phone.page.locator("[data-new]")).to_have_count(0)
    return phone


@pytest.fixture
def working(
    sandbox: Sandbox,
    stand_in: Path,
    start_server: Callable[..., Server],
    open_phone: Callable[..., Phone],
) -> Phone:
    """The page of a session in which Claude works until it is stopped."""
    phone = open_phone(start_server(sandbox, stand_in))
    phone.begin(sandbox.project, json.dumps([*texts(1), ["wait", "/no"]]))
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


def test_double_tap_on_a_link_to_a_session_does_not_answer_its_request(
    two_requests: Phone,
) -> None:
    page = two_requests.page
    page.add_init_script(UNDER_FINGER % ".button[value=allow]")
    for motion in ("reduce", "no-preference"):
        page.emulate_media(reduced_motion=motion)
        page.goto("/runs")
        assert page.evaluate("underFinger") != "the button"
        page.locator("#runs .row").first.click()
        page.locator("body[data-link=online]").wait_for()
        assert page.evaluate("underFinger") != "the button"
    page.locator(OPEN).first.get_by_role("button", name="Allow").click()
    expect(page.locator(OPEN)).to_have_count(1)


def test_page_of_a_new_session_has_no_stop_under_the_finger_that_sent_its_prompt(
    sandbox: Sandbox,
    stand_in: Path,
    start_server: Callable[..., Server],
    open_phone: Callable[..., Phone],
) -> None:
    phone = open_phone(start_server(sandbox, stand_in))
    page = phone.page
    page.add_init_script(UNDER_FINGER % "#stop .button")
    for motion in ("reduce", "no-preference"):
        page.emulate_media(reduced_motion=motion)
        page.goto(f"/new?folder={quote(str(sandbox.project))}")
        page.get_by_role("textbox", name="Prompt").fill(json.dumps([*texts(1), ["wait", "/no"]]))
        phone.button("Send").click()
        page.wait_for_url("**/sessions/*")
        page.wait_for_function("() => window.underFinger")
        assert page.evaluate("underFinger") != "the button", motion
        page.locator("#stop").get_by_role("button", name="Stop").click()  # once it takes a press
        expect(phone.status).to_have_text("Stopped by you.")


TAP_ON = """async ([x, y]) => {
    const composer = document.getElementById("composer");
    const sent = new Promise(
        (done) => composer.addEventListener("htmx:after:request", done, { once: true }));
    composer.querySelector(".send").click();
    await sent;
    const hit = [];
    let last = performance.now();
    for (let tap = 0; tap < 10; tap++) {
        const target = document.elementFromPoint(x, y);
        const isFast = performance.now() - last < 900; // a busy machine may have slept meanwhile
        if (isFast && target.closest(".stop")) hit.push(tap);
        last = performance.now();
        target.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
        await new Promise((done) => setTimeout(done, 300));
    }
    return hit;
}"""
"""Sends the prompt, and taps on at a place for three seconds, by the clock of the page; which of
these taps would stop a run."""


def test_tapping_on_fast_after_a_prompt_in_a_session_does_not_stop_its_run(
    working: Phone,
) -> None:
    phone, page = working, working.page
    page.get_by_role("textbox", name="Prompt").fill("And this")
    place = middle_of(phone.button("Send"))
    assert page.evaluate(TAP_ON, place) == []
    phone.button("Stop").click()  # once nobody has tapped for a second
    expect(phone.status).to_have_text("Stopped by you.")


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
