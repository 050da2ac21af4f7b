"""Unsent text is kept, and shown on every device."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.features.composer.in_browser.page import (
    answered,
    begin,
    box,
    drafts,
    kept,
    prompts,
)
from tests.features.composer.test_composer_forms import typed
from tests.support.environment import Sandbox, until
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_last_keystrokes_before_leaving_are_there_again_and_gone_once_a_better_wording_is_sent(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    begin(phone, sandbox)
    address = phone.page.url
    box(phone).press_sequentially("half a thought\nand more")
    phone.page.goto("/")
    kept(server, "half a thought\nand more")
    phone.page.goto(address)
    expect(box(phone)).to_have_value("half a thought\nand more")
    box(phone).fill("A better one")  # which may not have been saved when it is sent
    phone.button("Send").click()
    answered(phone, "A better one")
    expect(box(phone)).to_have_value("")
    until(lambda: drafts(server, phone.session_id) == [""], "the server's draft is empty")
    assert typed(server, address.removeprefix(server.url).partition("#")[0]) == ""


TYPE_AND_LEAVE = """() => {
    const prompt = document.getElementById("prompt");
    prompt.value = "half a thought, and the rest";
    prompt.dispatchEvent(new Event("input"));
    location.assign("/");
}"""


def test_last_keystrokes_before_a_login_that_has_ended_are_there_after_the_next_one(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    begin(phone, sandbox)
    address = phone.page.url
    box(phone).press_sequentially("half a thought")
    kept(server, "half a thought")
    phone.forgiven += ["401", *CUT_OFF]
    cookies = phone.page.context.cookies()
    phone.page.context.clear_cookies()  # the open connection does not notice it
    phone.page.evaluate(TYPE_AND_LEAVE)
    phone.page.get_by_label("Password", exact=True).wait_for()
    phone.page.context.add_cookies([{**each} for each in cookies])  # type: ignore[typeddict-item]
    phone.page.goto(address)
    expect(box(phone)).to_have_value("half a thought, and the rest")
    kept(server, "half a thought, and the rest")
    phone.page.evaluate(TYPE_AND_LEAVE)  # with a login the server has it
    phone.page.get_by_role("heading", name="Home").wait_for()
    assert (
        phone.page.evaluate(
            "Object.keys(sessionStorage).filter((key) => /^(left|unsaved) /.test(key))"
        )
        == []
    )


REFUSE_DRAFTS = """() => {
    const send = window.fetch;
    window.fetch = (address, options) => String(address).endsWith("/draft")
        ? Promise.reject(new TypeError("Failed to fetch")) : send(address, options);
}"""
UNSAVED = "Object.keys(sessionStorage).filter((key) => key.startsWith('unsaved '))"
"""The keys of what a tab keeps because the server does not."""


def test_other_phone_shows_the_draft_until_it_is_sent_but_not_in_place_of_what_is_typed_there(
    phone: Phone, server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone]
) -> None:
    begin(phone, sandbox)
    other = open_phone(server)
    other.page.goto(phone.page.url)
    other.page.locator("body[data-link=online]").wait_for()
    box(phone).press_sequentially("from the sofa")
    expect(box(other)).to_have_value("from the sofa")
    box(other).press_sequentially(", and from the desk")
    expect(box(phone)).to_have_value("from the sofa, and from the desk")
    phone.button("Send").click()
    expect(box(other)).to_have_value("")

    # the text typed there cannot reach the server
    other.page.evaluate(REFUSE_DRAFTS)
    box(other).press_sequentially("mine")
    box(phone).press_sequentially("yours")
    expect(other.page.locator("#draft")).to_have_value("yours")
    expect(box(other)).to_have_value("mine")
    other.page.reload()
    expect(box(other)).to_have_value("yours\n\nmine")
    expect(box(phone)).to_have_value("yours\n\nmine")
    other.page.wait_for_function(f"() => !({UNSAVED}).length")


REFUSE_PROMPTS = """() => {
    const send = window.fetch;
    window.fetch = (address, options) => String(address).endsWith("/prompt")
        ? Promise.reject(new TypeError("Failed to fetch")) : send(address, options);
}"""
"""As where the network fails for as long as it takes, but for the draft."""
FAR_FROM_ALL = """() => {
    document.getElementById("transcript").style.paddingBottom = "1500px";
    document.getElementById("end").style.height = "600px";
}"""
"""A prompt that was not sent is a screen away from what was said before, and from the end."""


def test_update_that_is_older_than_what_was_saved_since_does_not_replace_it(
    server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server)  # of its own: a socket's route cannot be taken away
    begin(phone, sandbox)
    page, late = phone.page, list[str | bytes]()
    sockets = list[WebSocketRoute]()

    def hold(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server().on_message(lambda message: late.append(message))

    page.route_web_socket("**/live*", hold)
    page.reload()
    until(lambda: late, "an update is on its way", sleep=lambda: page.wait_for_timeout(20))
    with page.expect_response("**/draft"):
        box(phone).press_sequentially("half a thought")

    def own_update_has_come() -> object:
        while late:
            sockets[-1].send(late.pop(0))
        return page.locator("#draft").get_attribute("data-by")

    until(own_update_has_come, "it is saved", sleep=lambda: page.wait_for_timeout(20))
    expect(page.locator("#draft")).to_have_value("half a thought")
    expect(box(phone)).to_have_value("half a thought")


def test_unsent_prompt_is_kept_taken_back_and_sent_after_a_reload(
    server: Server, sandbox: Sandbox, phone: Phone
) -> None:
    begin(phone, sandbox)
    phone.forgiven += CUT_OFF
    unsent = phone.page.locator("#sending .block-prompt")
    phone.page.evaluate(REFUSE_PROMPTS)
    phone.send("Do not lose this")
    expect(unsent).to_contain_text("Not sent. Tap to try again")
    box(phone).fill("And this is typed since")
    kept(server, "Do not lose this\n\nAnd this is typed since")
    unsent.get_by_role("button", name="Edit").click()
    expect(unsent).to_have_count(0)
    expect(box(phone)).to_have_value("Do not lose this\n\nAnd this is typed since")

    box(phone).fill("Send it later")
    phone.button("Send").click()
    expect(unsent).to_contain_text("Not sent. Tap to try again")
    phone.page.evaluate(FAR_FROM_ALL)  # which is no place to jump away from, once it is in view
    phone.page.evaluate("scrollTo(0, 5)")  # from the top, where a short page is
    expect(phone.button("Jump to newest")).to_be_visible()
    unsent.evaluate("each => each.scrollIntoView({ block: 'center' })")
    expect(phone.page.locator("#jump")).to_be_hidden()
    box(phone).fill("And this is for later")
    kept(server, "Send it later\n\nAnd this is for later")
    phone.page.reload()
    answered(phone, "Send it later")
    expect(unsent).to_have_count(0)
    expect(box(phone)).to_have_value("And this is for later")
    kept(server, "And this is for later")


ANSWER_AS_A_PROXY = """(status) => {
    window.asked ??= window.fetch;
    window.fetch = (address, options) => String(address).endsWith("/prompt")
        ? Promise.resolve(new Response("<p>Somebody else's page</p>", { status }))
        : window.asked(address, options);
}"""


def test_a_prompt_stays_unsent_whatever_a_proxy_answers_in_place_of_the_server(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    begin(phone, sandbox)
    unsent = phone.page.locator("#sending .block-prompt")
    for number, status in enumerate((503, 403, 200), 1):
        phone.page.evaluate(ANSWER_AS_A_PROXY, status)
        phone.send(f"Kept in spite of a {status}")
        expect(unsent).to_have_count(number)
        expect(unsent.last).to_contain_text("Not sent. Tap to try again")
    expect(phone.page.get_by_text("Somebody else's page")).to_have_count(0)
    kept(server, "\n\n".join(f"Kept in spite of a {each}" for each in (503, 403, 200)))


LOSE_RESPONSES = """() => {
    const send = window.fetch;
    window.fetch = (address, options) => String(address).endsWith("/prompt")
        ? send(address, options).then(() => { throw new TypeError("Failed to fetch"); })
        : send(address, options);
}"""


def test_prompt_that_is_perhaps_sent_is_not_sent_twice(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    begin(phone, sandbox)
    phone.forgiven += CUT_OFF
    phone.page.evaluate(LOSE_RESPONSES)
    phone.send("Once and no more")
    unsent = phone.page.locator("#sending .block-prompt")
    answered(phone, "Once and no more")
    phone.page.reload()
    phone.page.locator("body[data-link=online]").wait_for()
    phone.button("Maybe sent already. Tap to send it again").click()
    expect(unsent).to_have_count(0)
    assert prompts(phone).count("Once and no more") == 1

    # the same for one that failed here, and was sent elsewhere
    phone.page.evaluate(REFUSE_PROMPTS)
    phone.send("Only one of these")
    expect(unsent).to_contain_text("Not sent. Tap to try again")
    kept(server, "Only one of these")
    path = phone.page.url.partition("#")[0].removeprefix(server.url)
    elsewhere = {"prompt": "Only one of these", "prompt_id": str(uuid.uuid4())}
    assert server.post(f"{path}/prompt", elsewhere).status_code == 303
    expect(unsent).to_contain_text("Maybe sent already. Tap to send it again")
    until(lambda: drafts(server, phone.session_id) == [""], "it is in no draft")
    phone.page.reload()
    phone.page.locator("body[data-link=online]").wait_for()
    phone.button("Maybe sent already. Tap to send it again").click()
    expect(unsent).to_have_count(0)
    assert prompts(phone).count("Only one of these") == 1
