"""An open request is seen from its top, and its decision stays in reach on every screen."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Scope, Standing
from tests.features.session_page.in_browser.look.lines import asks, texts
from tests.features.session_page.in_browser.look.reading import covered
from tests.support.environment import runs_of, until
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

COMMAND = "echo one; " * 60
SCREENS = {"phone": (390, 844), "keyboard": (390, 420), "landscape": (844, 390)}
LOWEST = {"landscape with a keyboard": (844, 230)}
DECISION = ".block-ask .decide .button"
IS_ON_TOP = """all => all.every(each => {
    const { left, bottom } = each.getBoundingClientRect();
    return each.contains(document.elementFromPoint(left + 20, bottom - 4));
})"""
WITHOUT_REQUEST = """addEventListener("readystatechange", () => {
    if (document.readyState !== "interactive") return;
    document.querySelector(".block-ask[data-state=open]").remove();
    const live = document.getElementById("live");
    for (const { name, value } of live.attributes)
        live.setAttribute(name, value.replace(/cursor=[^&]*/, "cursor="));
}, true)"""
"""Of a page that has only the words before the request, which its socket then sends."""
PIXELS_TO_READ = """() => {
    const card = document.querySelector(".block-ask[data-state=open]");
    const isSeen = y => card.contains(document.elementFromPoint(innerWidth / 2, y))
        && !document.elementFromPoint(innerWidth / 2, y).closest(".decide");
    return [...Array(innerHeight).keys()].filter(isSeen).length;
}"""
"""How much of the screen's height shows the request, without its decision."""


@pytest.fixture(scope="module")
def asking(shared_server: Server) -> str:
    """The page of a session with a long command that waits for an answer, which no test gives."""
    return f"{begun(shared_server)}#end"


def begun(server: Server) -> str:
    """The address of a new session that asks."""
    steps = [*texts(8), asks("r1", "Bash", command=COMMAND), ["wait", "/no"]]
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(server.sandbox.project), "prompt": json.dumps(steps), **ids}
    address = server.post("/sessions", form).headers["Location"].partition("#")[0]
    until(lambda: 'data-state="open"' in server.get(address).text, "it asks")
    return address


@pytest.fixture
def page(kept_phone: Phone, asking: str) -> Page:
    kept_phone.open_session(asking)
    return kept_phone.page


def card(page: Page) -> Locator:
    return page.locator(".block-ask[data-state=open]")


LOADS = itertools.count()


def loaded(page: Page, address: str) -> None:
    """Load a page as if for the first time: without the place at which it was left."""
    path, _, place = address.partition("#")
    page.goto(f"{path.partition('?')[0]}?{next(LOADS)}#{place}")
    page.locator("body[data-link=online]").wait_for()


def top_is_in_view(page: Page) -> bool:
    """Whether the card begins below the bars and above the dock."""
    found: bool = page.evaluate(
        """() => {
            const box = selector => document.querySelector(selector).getBoundingClientRect();
            const { top } = box(".block-ask[data-state=open] h2");
            return top >= box(".topbar").bottom && top < box("#dock").top;
        }"""
    )
    return found


def comes_true(condition: Callable[[], bool], page: Page) -> bool:
    """Whether it holds within some seconds: a view may scroll in the next frame."""
    for _ in range(100):
        if condition():
            return True
        page.wait_for_timeout(50)
    return False


def test_request_is_seen_from_its_top_with_its_decision_in_reach_or_at_its_end(
    kept_phone: Phone, asking: str
) -> None:
    page, wrong = kept_phone.page, list[str]()
    settings = page.context.new_cdp_session(page)
    for letters in (16, 32):
        sizes = {"standard": letters, "fixed": letters}
        settings.send("Page.setFontSizes", {"fontSizes": sizes})
        for screen, (width, height) in (SCREENS | LOWEST).items():
            page.set_viewport_size({"width": width, "height": height})
            loaded(page, asking)
            if not comes_true(lambda: top_is_in_view(page), page):
                wrong.append(f"{screen}, {letters} px: the top of the request is not in view")
            # where there is no room for both, the decision comes at the end of the request
            below = page.locator(".topbar").evaluate("bar => innerHeight - bar.offsetHeight")
            least = below - 16 if screen in LOWEST else 100
            if page.evaluate(PIXELS_TO_READ) < least:
                wrong.append(f"{screen}, {letters} px: something lies over the request")
            if screen in LOWEST:
                page.locator(DECISION).first.evaluate("each => each.scrollIntoView()")
            if height < 480:
                wrong += [f"{screen}, {letters} px: {each}" for each in covered(page, DECISION)]
                expect(page.locator(".gist")).to_contain_text("echo one; echo one;")
                expect(page.locator(".state")).to_be_hidden()
    settings.send("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 16}})
    assert wrong == []


def test_without_scripts_a_link_leads_to_the_request_which_nothing_covers(
    shared_server: Server, open_phone: Callable[..., Phone], asking: str
) -> None:
    page = open_phone(shared_server, java_script_enabled=False).page
    decision = page.locator(DECISION)
    for height in (844, 420):
        page.set_viewport_size({"width": 390, "height": height})
        page.goto(asking.partition("#")[0])
        to_request = page.get_by_role("link", name="Jump to the request")
        to_request.click()
        expect(to_request).to_be_hidden()  # where it leads to
        expect(card(page).get_by_role("heading")).to_be_in_viewport()
        expect(decision).to_have_count(2)
        decision.first.evaluate("each => each.scrollIntoView({ block: 'end' })")
        # not at once: a request that has just come takes no press
        assert comes_true(lambda: bool(decision.evaluate_all(IS_ON_TOP)), page), height
        card(page).evaluate("each => each.scrollIntoView()")
    expect(decision.first).not_to_be_in_viewport()  # the command is read first
    expect(card(page).locator(".gist")).to_be_visible()  # beside the buttons, at the page's end
    page.locator("#status").evaluate("each => { each.dataset.phase = 'idle'; }")
    expect(page.locator("#dock")).to_have_css("position", "static")  # the text has the space
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("#dock")).to_have_css("position", "sticky")
    expect(card(page).locator(".gist")).to_be_hidden()
    refresh = page.get_by_role("button", name="Refresh").bounding_box()
    assert refresh and refresh["x"] + refresh["width"] > 370, "at the edge, as Send is"


def test_link_to_what_is_new_lies_over_no_answer(shared_server: Server, kept_phone: Phone) -> None:
    address, page = begun(shared_server), kept_phone.page
    first = re.search(r'class="block block-text" id="([^"]*)"', shared_server.get(address).text)
    assert first and shared_server.post(f"{address}/seen", {"block": first[1], "quiet": "1"}).ok
    page.set_viewport_size({"width": 390, "height": 420})
    loaded(page, f"{address}#end")
    assert comes_true(lambda: top_is_in_view(page), page)
    expect(page.locator("#new-since")).to_have_count(1)
    for height, is_offered in ((420, False), (844, True)):
        page.set_viewport_size({"width": 390, "height": height})
        expect(page.locator("#to-new")).to_be_visible(visible=is_offered)
        assert comes_true(lambda: not covered(page, DECISION), page)


@pytest.mark.parametrize("letters", [16, 32])
def test_lost_connection_leaves_the_request_where_it_was(
    kept_phone: Phone, asking: str, letters: int
) -> None:
    page = kept_phone.page
    kept_phone.forgiven += [*CUT_OFF, "ERR_INTERNET_DISCONNECTED"]
    settings = page.context.new_cdp_session(page)
    sizes = {"standard": letters, "fixed": letters}
    settings.send("Page.setFontSizes", {"fontSizes": sizes})
    page.set_viewport_size({"width": 390, "height": 420})
    loaded(page, asking)
    assert comes_true(lambda: top_is_in_view(page), page)
    before = page.evaluate("scrollY")
    page.locator("#prompt").evaluate("field => field.focus({ preventScroll: true })")
    assert comes_true(lambda: not covered(page, DECISION), page), "as after a Send"
    page.locator("#prompt").evaluate("field => field.blur()")
    try:
        page.context.set_offline(True)
        expect(page.locator("#status")).to_have_text(re.compile("^Offline"))
        page.evaluate(
            "() => new Promise(done => setTimeout(() => requestAnimationFrame(done), 100))"
        )
        assert page.evaluate("scrollY") == before and top_is_in_view(page)
        expect(page.locator("#jump")).to_be_hidden()
        if letters == 32:
            page.locator(DECISION).first.click()
        else:  # as it is: `click` scrolls to where the button would be if it did not stick
            expect(page.locator("[data-new]")).to_have_count(0)
            box = page.locator(DECISION).first.bounding_box()
            assert box
            page.mouse.click(box["x"] + 20, box["y"] + 20)
        said = card(page).get_by_role("alert")
        expect(said).to_contain_text("could not be sent")
        expect(said).to_be_in_viewport(ratio=0.99)  # but for a part of a pixel
        assert page.evaluate(PIXELS_TO_READ) > 100, "it lies over the request"
        if letters == 32:
            page.evaluate("top => scrollTo(0, top)", before)
        else:
            assert page.evaluate("scrollY") == before
            expect(page.locator("#status")).to_be_in_viewport()
            assert comes_true(lambda: not covered(page, DECISION), page)
    finally:
        page.context.set_offline(False)
    expect(page.locator("#status")).not_to_have_text(re.compile("^Offline"))
    said = card(page).locator(".note")
    expect(said).to_have_text("The connection is back. Press Allow again.")
    assert page.evaluate("scrollY") == before and top_is_in_view(page)
    settings.send("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 16}})


def test_what_a_budget_stops_is_reached_by_scrolling_where_it_does_not_fit(
    shared_server: Server, kept_phone: Phone
) -> None:
    phone, state = kept_phone, shared_server.sandbox.state
    phone.begin(shared_server.sandbox.project, json.dumps(texts(8)))
    expect(phone.status).to_have_text("Ready for the next prompt")
    (run,) = runs_of(state, phone.session_id)
    standing = Standing(Scope.RUN, spent=0.6, limit=0.5)
    BudgetBook(state).set_hold(phone.session_id, run.name, standing)
    page = phone.page
    settings = page.context.new_cdp_session(page)
    settings.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 32}})
    page.set_viewport_size({"width": 390, "height": 420})
    loaded(page, page.url)
    words = page.locator("#later section > p:first-child")
    assert comes_true(lambda: not covered(page, "#later section > p:first-child"), page)
    expect(words).to_be_in_viewport(ratio=1)

    def is_reached(part: str) -> bool:  # a page that has just come may still go to its end
        page.locator(part).evaluate("each => each.scrollIntoView({ block: 'center' })")
        return not covered(page, part)

    for part in ("#later section > p:first-child", "#later .button-primary", "#composer .send"):
        assert comes_true(partial(is_reached, part), page), part
    page.evaluate("scrollBy(0, -600)")
    expect(page.locator("#later")).not_to_be_in_viewport()
    expect(page.get_by_role("button", name="Jump to newest")).to_be_in_viewport(ratio=1)
    settings.send("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 16}})
    page.set_viewport_size({"width": 390, "height": 844})
    expect(phone.status).to_have_js_property("offsetWidth", 1)  # the reason stands there once
    page.set_viewport_size({"width": 320, "height": 640})
    expect(page.locator(".state")).to_have_js_property("offsetWidth", 1)  # an empty line
    page.evaluate("document.getElementById('usage').textContent = '1% · $0.06'")
    expect(page.locator("#usage")).to_be_visible()


def test_jump_leads_to_the_request_whose_reason_opens_focused_and_with_its_button_in_view(
    page: Page,
) -> None:
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("button", name="Jump to the request").click()
    assert comes_true(lambda: top_is_in_view(page), page)
    buttons = card(page).get_by_role("button").all_inner_texts()
    assert buttons == ["Allow", "Deny"], "always is never offered first"

    page.set_viewport_size({"width": 390, "height": 420})
    card(page).locator("summary", has_text="Deny with a reason").click()
    expect(page.get_by_label("Tell Claude why")).to_be_focused()
    assert comes_true(lambda: not covered(page, ".with-reason .button"), page)


def test_refused_answer_says_why_above_its_button(kept_phone: Phone, asking: str) -> None:
    page = kept_phone.page
    kept_phone.forgiven.append("409")
    page.set_viewport_size({"width": 390, "height": 420})
    loaded(page, asking)
    expect(page.locator("[data-new]")).to_have_count(0)
    deny = page.locator(DECISION).nth(1)
    another = "each => each.setAttribute('hx-post', each.getAttribute('hx-post') + '0')"
    deny.evaluate(another)
    deny.click()
    said = card(page).get_by_role("alert")
    expect(said).to_have_text("Claude no longer asks this.")
    expect(said).to_be_in_viewport(ratio=1)
    deny.click()
    expect(page.get_by_text("Claude no longer asks this.")).to_have_count(1)
    expect(said).to_be_in_viewport(ratio=1)


MESSAGE = """() => document.dispatchEvent(new CustomEvent("htmx:ws:after:message:incoming", {
    detail: { connection: { url: location.href } } }))"""


def test_proxy_that_answers_for_the_server_takes_no_decision(page: Page, kept_phone: Phone) -> None:
    """Nor a Stop, nor a prompt. A redirect leads to a page of ours."""
    kept_phone.forgiven.append("502")
    expect(page.locator("[data-new]")).to_have_count(0)
    html = '<div id="flash" hx-swap-oob="true">Log in to the hotel</div>'
    deny, said = page.locator(DECISION).nth(1), card(page).get_by_role("alert")
    for status in (200, 502, 303):
        headers = {"Location": "/runs"} if status == 303 else {}
        answer = partial(Route.fulfill, status=status, headers=headers, body=html)
        page.route("**/asks/*", lambda route: answer(route), times=1)  # noqa: B023
        deny.click()
        expect(said).to_contain_text("the server does not answer")
        expect(page.get_by_text("hotel")).to_have_count(0)
        expect(deny).not_to_have_attribute("aria-busy", "true")
        said.evaluate("each => each.replaceChildren()")
    page.route(re.compile("/(stop|prompt)$"), lambda route: answer(route), times=2)
    stop, flash = page.locator("#stop .button"), page.locator("#flash")
    stop.click()
    expect(flash).to_contain_text("the server does not answer")
    expect(stop).not_to_have_attribute("aria-busy", "true")
    page.evaluate("document.dispatchEvent(new Event('htmx:ws:after:connection'))")
    expect(flash).to_have_text("The connection is back. Press Stop again.")
    page.evaluate(MESSAGE)
    expect(flash).to_have_text("The connection is back. Press Stop again.")
    page.get_by_role("textbox", name="Prompt").fill("And then?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#sending")).to_contain_text("Not sent. Tap to try again")
    page.locator("#sending").get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Prompt").fill("")
    stop.evaluate("each => each.remove()")
    page.evaluate(MESSAGE)
    expect(flash).to_have_text("")


def test_reason_for_a_denial_survives_a_reload_and_a_request_that_the_page_gets_late(
    page: Page, asking: str
) -> None:
    other = page.context.new_page()
    other.goto(asking)
    online, reason = other.locator("body[data-link=online]"), other.get_by_label("Tell Claude why")
    online.wait_for()  # all scripts have run
    card(other).locator("summary", has_text="Deny with a reason").click()
    reason.fill("Not in\nthis folder.")
    other.reload()
    expect(reason).to_be_visible()
    expect(reason).to_have_value("Not in\nthis folder.")
    assert comes_true(lambda: top_is_in_view(other), other)
    other.add_init_script(WITHOUT_REQUEST)
    other.reload()
    expect(reason).to_be_visible()
    expect(reason).to_have_value("Not in\nthis folder.")
    reason.fill("")
    other.reload()
    online.wait_for()
    expect(card(other)).to_be_visible()
    expect(reason).to_be_hidden()
    other.close()
