"""Orientation in a real browser: status, attention list, new blocks, links, copies, undo."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from opcode_htmx.transcript.conversation.window import FIRST, STEP
from tests.features.session_page.in_browser import long_session
from tests.support.environment import Sandbox, Server, until
from tests.support.pages.browser import CUT_OFF, Phone

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PROMPTS = FIRST + 2 * STEP + 10

OpenPhone = Callable[..., Phone]
StartServer = Callable[..., Server]
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    yield shared_server
    shared_server.ensure_started()


@pytest.fixture
def lone_server(sandbox: Sandbox, stand_in: Path, start_server: StartServer) -> Server:
    """For tests that look at what all sessions of a server are up to."""
    return start_server(sandbox, stand_in)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def text(words: str) -> dict[str, object]:
    return {"type": "text", "text": words}


def said(name: str, *content: dict[str, object], tokens: int = 0) -> list[object]:
    usage = {"input_tokens": tokens}
    message = {"id": name, "role": "assistant", "content": content, "usage": usage}
    entry = {"type": "assistant", "message": message, "uuid": name}
    return ["raw", json.dumps(entry) + "\n"]


def result(name: str, cost: float) -> list[object]:
    models = {"m": {"inputTokens": 1, "contextWindow": 200_000}}
    entry = {"type": "result", "subtype": "success", "uuid": name, "total_cost_usd": cost}
    return ["raw", json.dumps({**entry, "modelUsage": models}) + "\n"]


def begin(server: Server, *steps: list[object]) -> str:
    """Begin a session without viewers; return the address of its page."""
    form = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    folder = str(server.sandbox.project)
    answer = server.post("/sessions", {**form, "folder": folder, "prompt": json.dumps(steps)})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].partition("#")[0]


def open_session(phone: Phone, address: str) -> None:
    phone.page.goto(f"{address}#end")
    phone.page.locator("body[data-link=online]").wait_for()


def long_answer(count: int) -> list[list[object]]:
    return [said(f"m{n}", text(f"Word {n}. " + "On and on. " * 40)) for n in range(count)]


# --- the status line ------------------------------------------------------------------------


def comes_more(page: Page, messages: list[object]) -> bool:
    """Whether there is a message more within a second."""
    before = len(messages)
    page.wait_for_timeout(1000)
    return len(messages) > before


def test_status_shows_activity_and_counts_time_in_the_browser(
    server: Server, open_phone: OpenPhone, gate: Path
) -> None:
    call: dict[str, object] = {
        "type": "tool_use",
        "id": "call",
        "name": "Bash",
        "input": {"command": "npm test"},
    }
    address = begin(
        server,
        said("a", text("Let me see."), tokens=68_000),
        result("r", 0.1234),
        said("b", call, tokens=90_000),
        ["wait", str(gate)],
        ["ask", "request-1"],
    )
    phone = open_phone(server)
    messages: list[object] = []
    phone.page.on(
        "websocket", lambda ws: ws.on("framereceived", lambda frame: messages.append(frame))
    )
    open_session(phone, address)
    expect(phone.status).to_have_text("Running npm test")
    clock = phone.page.locator("#since time")
    expect(clock).to_have_text(re.compile(r"^\d+ s$"))
    until(
        lambda: not comes_more(phone.page, messages) and messages,  # waits in the browser first
        "the page has what there is",
    )
    received, first = len(messages), int(clock.inner_text().split()[0])
    until(lambda: int(clock.inner_text().split()[0]) >= first + 2, "it counts")
    assert len(messages) == received
    expect(phone.page.locator("#usage")).to_have_text("Context 45% · Cost so far $0.12")

    gate.touch()
    expect(phone.status).to_have_text("Waiting for your answer")
    expect(phone.page.locator("#since .about")).to_have_text("Bash: true")
    phone.button("Allow").click()
    expect(phone.status).to_have_text("Ready for the next prompt")


def test_offline_the_age_of_the_last_update_counts_up(
    server: Server, open_phone: OpenPhone
) -> None:
    phone = open_phone(server)
    open_session(phone, begin(server, ["text", "Hello."]))
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.forgiven += CUT_OFF
    server.kill()
    expect(phone.status).to_have_text("Offline. Last update just now.")
    phone.page.clock.set_fixed_time(time.time() + 3 * 60 + 5)
    expect(phone.status).to_have_text("Offline. Last update 3 min ago.")
    expect(phone.page.locator("#since")).to_be_hidden()
    server.start()
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.page.context.set_offline(True)
    expect(phone.status).to_have_text("Offline. Last update just now.")
    phone.page.context.set_offline(False)
    expect(phone.status).to_have_text("Ready for the next prompt")


# --- what needs me --------------------------------------------------------------------------


def test_open_request_is_announced_on_every_page_until_answered(
    lone_server: Server, open_phone: OpenPhone
) -> None:
    server = lone_server
    phone, other = open_phone(server), open_phone(server)
    open_session(phone, begin(server, ["text", "Hello."]))
    expect(phone.page).not_to_have_title("New session · opcode")
    title = phone.page.title()

    def overview() -> str:
        other.page.goto("/")
        return other.page.title()

    until(lambda: overview() == "Home · opcode", "what has just ended was seen")
    asking = begin(server, ["ask", "request-1"])

    expect(phone.page).to_have_title(f"(1) {title}")
    badge = phone.page.get_by_role("link", name="1 other session needs you")
    expect(badge).to_be_visible()
    other.lock()
    other.unlock()
    expect(other.page).to_have_title("(1) Home · opcode")
    other.page.get_by_role("link", name="Running 1 session needs you").click()
    expect(other.page.get_by_role("heading", name="Needs you")).to_be_visible()
    expect(other.page.locator("#runs .status").first).to_have_text("Waiting for your answer")
    expect(other.page.locator(".run-call").first).to_have_text("Bash true")
    other.page.locator("#runs a.row").first.click()
    other.page.wait_for_url(f"**{asking}*")
    assert not other.page.title().startswith("("), "not of itself"
    other.button("Allow").click()
    expect(phone.page).to_have_title(title)
    expect(phone.page.locator("#needs")).to_be_hidden()


def test_unseen_ended_session_is_listed_until_it_is_opened(
    lone_server: Server, open_phone: OpenPhone
) -> None:
    server = lone_server
    done = begin(server, ["text", "Hello."])
    failed = begin(server, ["exit", 3])
    phone = open_phone(server)
    heading = '.page-head:has(:text-is("Needs you"), :text-is("Done"))'
    rows = phone.page.locator(f"#runs {heading} + ul > li")

    def listed() -> list[str]:
        phone.page.goto("/runs")
        return sorted(rows.locator(".status").all_inner_texts())

    both = ["Claude ended with exit status 3.", "Done since you last looked"]
    until(lambda: listed() == both, "both are listed")
    open_session(phone, done)
    until(lambda: listed() == both[:1], "the page has reported what was seen")
    open_session(phone, failed)
    until(lambda: listed() == [], "and here")


LEAVE_AT_THE_END = """() => new MutationObserver(() => {
    if (document.getElementById("status")?.dataset.phase === "idle") location.assign("/runs");
}).observe(document.body, { childList: true, subtree: true, attributes: true })"""


@pytest.mark.parametrize("leave", ["another page", "a locked phone"])
def test_an_answer_whose_end_was_on_the_screen_is_seen_however_soon_one_leaves(
    lone_server: Server, open_phone: OpenPhone, gate: Path, leave: str
) -> None:
    server = lone_server
    phone = open_phone(server)
    open_session(phone, begin(server, ["wait", str(gate)], ["text", "Here is the end."]))
    if leave == "another page":
        phone.page.evaluate(LEAVE_AT_THE_END)
        gate.touch()
        phone.page.wait_for_url("**/runs")
        # at once, and not only after a refresh
        statuses = phone.page.locator("#runs .status").all_inner_texts()
        assert statuses == ["Ready for the next prompt"]
    else:
        gate.touch()
        expect(phone.status).to_have_text("Ready for the next prompt")
        phone.lock()
    # the page reports while it is left what was read
    until(lambda: "Done since you last looked" not in server.get("/runs").text, "it stays seen")


# --- what is new ----------------------------------------------------------------------------


def test_output_during_sleep_is_marked_on_each_phone(
    server: Server, open_phone: OpenPhone, gate: Path
) -> None:
    address = begin(
        server,
        *long_answer(6),
        ["wait", str(gate)],
        *(said(f"new{n}", text(f"New {n}. " + "On and on. " * 40)) for n in range(5)),
    )
    phone = open_phone(server)
    open_session(phone, address)
    expect(phone.transcript).to_contain_text("Word 5.")
    line = phone.page.locator("#new-since")
    expect(line).to_have_count(0)
    with phone.page.expect_request("**/seen"):
        phone.lock()
    gate.touch()
    until(lambda: "New 4." in server.get(address).text, "it goes on")

    other = open_phone(server)
    open_session(other, address)
    behind(other, "b-m5-0")
    way = other.page.get_by_role("link", name="6 new messages since you left")
    way.click()
    expect(other.page.locator("#new-since")).to_be_in_viewport()
    expect(way).to_be_hidden()

    phone.unlock()
    expect(phone.transcript).to_contain_text("New 4.")
    behind(phone, "b-m5-0")
    phone.page.get_by_role("link", name="6 new messages since you left").click()
    expect(phone.page.locator("#new-since")).to_be_in_viewport()

    # read to the end, it is not new any more; no other device needs an update
    phone.page.evaluate("scrollTo(0, document.scrollingElement.scrollHeight)")
    until(lambda: 'id="new-since"' not in server.get(address).text, "it is read")


def test_what_comes_after_a_phone_was_unlocked_is_not_new(
    server: Server, open_phone: OpenPhone, gate: Path
) -> None:
    address = begin(server, *long_answer(6), ["wait", str(gate)], said("new", text("The newest.")))
    phone = open_phone(server)
    open_session(phone, address)
    expect(phone.transcript).to_contain_text("Word 5.")
    phone.lock()
    is_current = phone.page.evaluate_handle(
        """() => ({ at: new Promise(resolve => document.addEventListener(
            "htmx:ws:after:message:incoming", resolve, { once: true })) })"""
    )
    phone.unlock()
    is_current.evaluate("async ({ at }) => { await at; }")
    gate.touch()
    expect(phone.transcript).to_contain_text("The newest.")
    expect(phone.status).to_have_text("Ready for the next prompt")
    expect(phone.page.locator("#new-since")).to_have_count(0)


def test_loading_the_page_again_in_the_middle_of_an_answer_marks_nothing_as_new(
    server: Server, open_phone: OpenPhone, gate: Path
) -> None:
    address = begin(server, *long_answer(6), ["wait", str(gate)], said("new", text("The newest.")))
    until(lambda: "Word 5." in server.get(address).text, "there is something to read")
    assert server.post(f"{address}/seen", {"block": "b-m5-0", "quiet": "1"}).ok
    phone = open_phone(server)
    # while messages come one upon the other the page sends no position
    phone.page.route("**/seen", lambda route: route.fulfill(status=204))
    open_session(phone, address)
    expect(phone.page.locator("#new-since")).to_have_count(0)
    gate.touch()
    expect(phone.transcript).to_contain_text("The newest.")
    assert 'id="new-since"' in server.get(address).text
    phone.page.reload()
    expect(phone.page.locator("#new-since")).to_have_count(0)
    expect(phone.page.locator("#to-new")).to_be_hidden()


def behind(phone: Phone, block: str) -> None:
    expect(phone.page.locator(f"#{block} + #new-since")).to_have_text("New since you left")


def test_a_reader_further_up_is_not_moved_and_is_offered_the_way_down(
    server: Server, open_phone: OpenPhone, gate: Path
) -> None:
    address = begin(server, *long_answer(8), ["wait", str(gate)], said("new", text("The newest.")))
    phone = open_phone(server)
    open_session(phone, address)
    phone.page.evaluate("scrollTo(0, 100)")
    expect(phone.button("Jump to newest")).to_be_visible()
    gate.touch()
    expect(phone.page.locator("#b-new-0")).to_be_attached()
    assert phone.page.evaluate("scrollY") == 100
    phone.page.get_by_role("button", name=re.compile(r"Jump to newest \(\d+\)")).click()
    expect(phone.page.locator("#b-new-0")).to_be_in_viewport()


# --- links ----------------------------------------------------------------------------------


@pytest.fixture
def past(server: Server) -> str:
    """The page of a long session that was held in a terminal, in a project of its own."""
    return long_session.write(server.sandbox.with_own_project(), PROMPTS)


def test_a_link_to_a_block_far_up_leads_there(
    server: Server, open_phone: OpenPhone, past: str
) -> None:
    phone = open_phone(server)
    phone.page.goto(f"{past}#b-prompt-3")
    block = phone.page.locator("#b-prompt-3")
    expect(block).to_be_in_viewport()
    expect(block).to_have_class(re.compile(r"\bhere\b"))
    phone.page.evaluate("location.hash = '#b-prompt-9'")
    expect(phone.page.locator("#b-prompt-9")).to_have_class(re.compile(r"\bhere\b"))
    expect(phone.page.locator(".here")).to_have_count(1)


def test_words_are_searched_and_found_without_javascript(
    server: Server, open_phone: OpenPhone, past: str
) -> None:
    phone = open_phone(server, java_script_enabled=False)
    phone.page.goto(past)
    phone.page.get_by_label("Session menu").click()
    phone.page.get_by_label("Search in this session").fill("prompt 7.")
    phone.page.get_by_label("Search in this session").press("Enter")
    phone.page.locator("a.row").click()
    phone.page.wait_for_url("**hit=prompt-7**#found")
    expect(phone.page.locator("#b-prompt-7")).to_be_in_viewport()


# --- copies ---------------------------------------------------------------------------------

ANSWER = "Some *words*.\n\n```\ncode of mine\n```\n\nThe end."


def pasted(page: Page) -> str:
    """The text that a paste puts into the composer."""
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.fill("")
    prompt.press("Control+v")
    expect(prompt).not_to_have_value("")
    return prompt.input_value()


@pytest.mark.parametrize("clipboard", [True, False], ids=["clipboard API", "plain http"])
def test_a_message_is_copied_as_text_as_markdown_and_as_a_link(
    server: Server, open_phone: OpenPhone, clipboard: bool
) -> None:
    phone = open_phone(server, permissions=["clipboard-read", "clipboard-write"])
    if not clipboard:
        phone.page.add_init_script(NO_CLIPBOARD)
    open_session(phone, begin(server, said("n", text("Before.")), said("m", text(ANSWER))))
    sheet = phone.page.get_by_role("dialog", name="Link, copy, fork")
    got = {}
    for what in ("link", "text", "markdown"):
        phone.page.locator(".block-summary").hover()
        phone.page.locator(".block-summary > .more").click()  # one for the whole answer
        button = sheet.get_by_role("button", name=f"Copy {what}")
        button.click()
        expect(button.or_(sheet.get_by_role("button", name="Copied"))).to_have_text("Copied")
        phone.page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        got[what] = pasted(phone.page)
    assert got["markdown"] == f"Before.\n\n{ANSWER}"
    assert got["text"].split() == ["Before.", "Some", "words.", "code", "of", "mine", "The", "end."]
    phone.page.goto(got["link"])
    expect(phone.page.locator("#b-m-0")).to_be_in_viewport()


def test_a_tap_on_the_copy_menu_is_kept_while_its_script_is_on_its_way(
    server: Server, open_phone: OpenPhone
) -> None:
    phone = open_phone(server)
    open_session(phone, begin(server, said("m", text(ANSWER))))
    phone.forgiven.append("ERR_FAILED")  # what is refused here
    held: list[Route] = []
    phone.page.route("**/copy.js*", lambda route: held.append(route))
    address, alert = phone.page.url, phone.page.get_by_role("alert")
    sheet = phone.page.get_by_role("dialog", name="Link, copy, fork")

    def tap() -> None:
        phone.page.locator(".block-summary").hover()
        phone.page.locator(".block-summary > .more").click()

    tap()
    until(lambda: phone.page.title() and held, "the script is on its way")
    expect(sheet).to_have_count(0)
    held.pop().abort()
    expect(alert).to_have_text("The menu could not be loaded. Try again.")
    tap()
    until(lambda: phone.page.title() and held, "the script is on its way again")
    replaced = "block => { block.replaceWith(block.cloneNode(true)); }"
    phone.page.locator(".block-summary").evaluate(replaced)
    held.pop().continue_()
    expect(sheet).to_be_visible()
    expect(alert).to_be_empty()
    phone.page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()

    phone.page.route("**/share", lambda route: route.abort())
    tap()
    expect(alert).to_have_text("The menu could not be loaded. Try again.")
    assert phone.page.url == address

    phone.page.unroute("**/share")
    phone.forgiven.append("401")  # logged out: the login stands in the place of the page
    phone.page.context.clear_cookies()
    tap()
    phone.page.wait_for_url("**/share")
    phone.page.get_by_label("Password").wait_for()


def test_text_stays_selected_when_copying_fails(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server)
    phone.page.add_init_script(f"{NO_CLIPBOARD}; document.execCommand = () => false")
    open_session(phone, begin(server, said("m", text(ANSWER))))
    phone.page.locator("#b-m-0 pre").hover()
    button = phone.page.locator(".code-tools button").last
    button.click()
    expect(button).to_have_text("Selected: copy it now")
    assert phone.page.evaluate("getSelection().toString().trim()") == "code of mine"


def test_a_block_can_be_copied_without_javascript(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server, java_script_enabled=False)
    phone.page.goto(begin(server, said("m", text(ANSWER))))
    more = phone.page.locator(".block-summary > .more")
    phone.reload_until(more.count, "it is said")
    more.click()
    expect(phone.page.get_by_label("Markdown")).to_have_value(ANSWER)
    phone.page.get_by_label("Back to the session").click()
    expect(phone.page.locator("#b-m-0")).to_be_in_viewport()


# --- the menu -------------------------------------------------------------------------------


def test_the_menu_opens_and_closes_by_keyboard_and_keeps_the_focus(
    server: Server, open_phone: OpenPhone, past: str
) -> None:
    phone = open_phone(server)
    open_session(phone, past)
    opener = phone.page.get_by_label("Session menu")
    opener.focus()
    phone.page.keyboard.press("Enter")
    name = phone.page.get_by_label("Name", exact=True)
    expect(name).to_be_visible()
    name.focus()
    phone.page.keyboard.press("Escape")
    expect(name).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    phone.page.locator("#transcript").click(position={"x": 5, "y": 5})
    expect(name).to_be_hidden()


def test_the_menu_opens_as_soon_as_its_button_is_there(
    server: Server, open_phone: OpenPhone, past: str
) -> None:
    """The bar is painted before the rest of the page has come."""
    phone, held = open_phone(server), list[Route]()
    phone.links_to_styles("session.css")
    phone.page.route("**/session.css*", lambda route: held.append(route))
    phone.page.goto(past, wait_until="commit")
    phone.page.get_by_label("Session menu").click()
    expect(phone.button("Delete session")).to_be_visible()
    until(lambda: phone.page.title() and held, "the rest of the page waits for its style")
    held[0].continue_()
    expect(phone.page.locator("body[data-link=online]")).to_be_attached()
    expect(phone.button("Delete session")).to_be_visible()


BEGINNINGS = """links => {
    const rows = new Map();
    const words = document.createTreeWalker(links, NodeFilter.SHOW_TEXT);
    while (words.nextNode()) {
        if (!words.currentNode.data.trim()) continue;
        const range = document.createRange();
        range.selectNodeContents(words.currentNode);
        const { x, bottom } = range.getBoundingClientRect();
        const row = Math.round(bottom / 20);
        rows.set(row, Math.min(x, rows.get(row) ?? Infinity));
    }
    return [...rows.values()];
}"""


def test_links_in_the_menu_begin_at_the_same_place_in_each_row(
    server: Server, open_phone: OpenPhone, past: str
) -> None:
    phone = open_phone(server)
    open_session(phone, past)
    phone.page.get_by_label("Session menu").click()
    links = phone.page.locator(".menu-links", has_text="Go to")
    expect(links).to_be_visible()
    rows = links.evaluate(BEGINNINGS)
    assert len(rows) > 1
    assert max(rows) - min(rows) < 1, rows


def test_a_session_is_named_deleted_and_brought_back(
    server: Server, open_phone: OpenPhone, past: str
) -> None:
    phone = open_phone(server)
    open_session(phone, past)
    phone.page.get_by_label("Session menu").click()
    phone.page.get_by_label("Name", exact=True).fill("Plums")
    with phone.page.expect_navigation():  # the open page shows the new name, too
        phone.button("Rename").click()
    expect(phone.page.get_by_role("heading", name="Plums")).to_be_visible()
    phone.page.get_by_label("Session menu").click()
    phone.button("Delete session").click()
    expect(phone.page.get_by_role("status")).to_contain_text("Deleted “Plums”.")
    expect(phone.page.get_by_text("No sessions here yet")).to_be_visible()
    phone.button("Undo").click()
    expect(phone.page.get_by_role("heading", name="Plums")).to_be_visible()
    expect(phone.page.locator(f"#b-prompt-{PROMPTS - 1}")).to_be_in_viewport()


def test_viewer_is_notified_when_the_session_is_deleted_elsewhere(
    server: Server, open_phone: OpenPhone, past: str
) -> None:
    phone = open_phone(server)
    open_session(phone, past)
    assert server.post(f"{past}/delete", {}).status_code == 303
    expect(phone.status).to_have_text("Cut off. Reload the page.")
    phone.forgiven.append("404")
    phone.page.reload()
    expect(phone.page.get_by_role("heading", name="Not found")).to_be_visible()


# --- logging out ----------------------------------------------------------------------------


def test_logout_disconnects_only_pages_of_that_login(server: Server, open_phone: OpenPhone) -> None:
    address = begin(server, ["text", "Hello."])
    phone, other = open_phone(server), open_phone(server, extra_http_headers={"User-Agent": "B"})
    # what the page still saves or fetches, with the login that has ended
    phone.forgiven += ["401", "its MIME type ('text/html') is not executable"]
    open_session(phone, address)
    open_session(other, address)
    elsewhere = phone.page.context.new_page()
    elsewhere.goto("/")
    elsewhere.get_by_role("button", name="More").click()
    elsewhere.get_by_role("button", name="Log out").click()
    expect(phone.status).to_have_text("Cut off. Reload the page.")
    expect(other.status).to_have_text("Ready for the next prompt")
