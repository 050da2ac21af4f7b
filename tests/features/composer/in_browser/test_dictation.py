"""Dictation into the composer, with a speech recognition that says what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.support.cli.idle_sessions import IdleSessions
from tests.support.environment import until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

RECOGNITION = """
class Recognition extends EventTarget {
    start() { window.heard = this; }
    stop() { this.dispatchEvent(new Event("end")); }
    abort() { this.aborted = true; this.stop(); }
}
window.SpeechRecognition = window.webkitSpeechRecognition = Recognition;
window.say = (...words) => {
    const event = new Event("result");
    event.results = words.map((transcript) => [{ transcript }]);
    window.heard.dispatchEvent(event);
};
window.fail = (error) => {
    window.heard.dispatchEvent(Object.assign(new Event("error"), { error }));
    window.heard.stop();
};
"""
NONE = "window.SpeechRecognition = window.webkitSpeechRecognition = undefined;"


@pytest.fixture(scope="module")
def hearing(browser: Browser, shared_server: Server) -> Iterator[Phone]:
    """One with this speech recognition, for all tests."""
    with closing(Phone(browser, shared_server)) as phone:
        phone.page.add_init_script(RECOGNITION)
        yield phone


@pytest.fixture
def phone(hearing: Phone, stand_in_sessions: IdleSessions) -> Iterator[Phone]:
    hearing.open_session(stand_in_sessions.take())
    yield hearing
    hearing.hand_on()


def prompt(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Prompt")


def dictate(phone: Phone) -> None:
    """Press the button, whose script may have to be loaded, until it listens."""
    phone.button("Dictate").click()
    expect(phone.button("Dictate")).to_have_attribute("aria-pressed", "true")


def stopped(phone: Phone) -> None:
    expect(phone.button("Dictate")).to_have_attribute("aria-pressed", "false")


def test_words_are_written_at_the_caret_until_the_person_types_or_sends(phone: Phone) -> None:
    page = phone.page
    loaded = page.locator("script[src*='dictation.js']")
    expect(phone.button("Dictate")).to_be_visible()
    expect(loaded, "nobody has used the composer").to_have_count(0)
    prompt(page).focus()
    expect(loaded).to_have_count(1)

    prompt(page).fill("Please now.")
    prompt(page).evaluate("field => field.setSelectionRange(6, 6)")
    dictate(phone)
    assert page.evaluate("[heard.lang, heard.interimResults]") == ["en-US", True]
    page.evaluate("say('prune the')")
    expect(prompt(page)).to_have_value("Please prune the now.")
    with page.expect_request("**/draft") as saved:
        page.evaluate("say('prune the tree', ' in the north ')")
    expect(prompt(page)).to_have_value("Please prune the tree in the north now.")
    assert "prune+the+tree" in (saved.value.post_data or ""), "it is kept as a draft"
    phone.button("Dictate").click()
    stopped(phone)

    prompt(page).fill("")
    dictate(phone)
    page.evaluate("say('Water')")
    prompt(page).press("End")
    prompt(page).press_sequentially("!")
    page.evaluate("say('Water the trees')")
    expect(prompt(page), "typing ends it").to_have_value("Water!")
    assert page.evaluate("heard.aborted")
    stopped(phone)

    prompt(page).fill("")
    dictate(phone)
    page.evaluate("say('Water the trees')")
    phone.button("Send").click()
    expect(prompt(page)).to_have_value("")
    page.evaluate("say('Water the trees today')")
    expect(prompt(page), "what was sent does not come back").to_have_value("")
    stopped(phone)
    expect(page.locator(".block-prompt").last).to_contain_text("Water the trees")


def test_a_refusal_is_a_sentence(phone: Phone) -> None:
    page = phone.page
    dictate(phone)
    page.evaluate("fail('not-allowed')")
    expect(page.get_by_role("alert")).to_contain_text("may not use the microphone")
    dictate(phone)
    expect(page.get_by_role("alert")).to_be_empty()
    page.evaluate("fail('no-speech')")
    stopped(phone)
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_tap_is_kept_while_its_script_is_on_its_way(phone: Phone) -> None:
    page = phone.page
    phone.forgiven.append("ERR_FAILED")  # what is refused here
    held: list[Route] = []
    page.route("**/dictation.js*", lambda route: held.append(route))
    expect(phone.button("Dictate")).to_be_visible()
    phone.button("Dictate").click()
    until(lambda: page.title() and held, "the script is on its way")
    expect(phone.button("Dictate")).to_have_attribute("aria-pressed", "false")
    held.pop().abort()
    expect(page.get_by_role("alert")).to_have_text("Dictation could not be loaded. Try again.")
    phone.button("Dictate").click()
    until(lambda: page.title() and held, "the script is on its way again")
    held.pop().continue_()
    expect(phone.button("Dictate")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("alert")).to_be_empty()


def test_without_speech_recognition_nothing_is_shown(
    shared_server: Server, open_phone: Callable[..., Phone], stand_in_sessions: IdleSessions
) -> None:
    phone = open_phone(shared_server)
    page = phone.page
    page.add_init_script(NONE)
    phone.open_session(stand_in_sessions.take())
    loaded = "[...document.scripts].some(each => each.src.includes('later.bundle'))"
    until(lambda: page.evaluate(loaded), "all is loaded")
    assert page.locator(".dictate, script[src*=dictation]").count() == 0
