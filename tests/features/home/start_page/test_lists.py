"""The start page: its lists, what is answered in them, and the way to older sessions."""

from __future__ import annotations

import re
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.home.service import PAGE
from opcode_htmx.sessions.storage.session_flags import SessionFlags
from tests.features.home.start_page.sessions import OLD, begin, name_of, press
from tests.features.session_page.in_browser.look.lines import line
from tests.support.environment import runs_of, until
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import misfits, sticks_out
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def asks(request_id: str, tool_name: str, tool_input: object) -> object:
    request = {"subtype": "can_use_tool", "tool_name": tool_name, "input": tool_input}
    return line(type="control_request", request_id=request_id, request=request)


def elicits(request_id: str, message: str) -> object:
    """An MCP server asks to choose a fruit."""
    fruit = {"type": "string", "enum": ["a", "p"], "enumNames": ["Apples", "Pears"]}
    schema = {"type": "object", "properties": {"fruit": fruit}, "required": ["fruit"]}
    request = {"subtype": "elicitation", "mcp_server_name": "orchard", "message": message}
    asked = {**request, "requested_schema": schema}
    return line(type="control_request", request_id=request_id, request=asked)


QUESTION = {
    "questions": [
        {
            "question": "Which database should it be?",
            "header": "Database",
            "multiSelect": False,
            "options": [
                {"label": "SQLite", "description": "One file"},
                {"label": "Postgres", "description": "A server"},
            ],
        }
    ]
}


def titles(server: Server, address: str = "/") -> list[str]:
    return re.findall(r'row-prompt"[^>]*title="([^"]*)"', server.get(address).text)


def needs_you(server: Server) -> str:
    """That part of the start page."""
    page = server.get("/").text
    return page.partition('id="needs-you"')[2].partition('id="running"')[0]


def test_recent_sessions_come_with_last_words_and_pages_without_a_gap(server: Server) -> None:
    assert f"Last {OLD - 1}" in server.get("/").text
    pages = [titles(server, f"/?from={start}") for start in range(0, OLD, PAGE)]
    seen = [title for page in pages for title in page if title.startswith("Old session")]
    assert seen == [f"Old session {number}" for number in reversed(range(OLD))]
    assert 'rel="next"' not in server.get(f"/?from={OLD}").text
    assert server.get("/?from=x").status_code == 200
    assert server.get("/?from=99999999999999999999").status_code == 200


def test_pinned_sessions_are_on_top_and_archived_ones_are_left_out(server: Server) -> None:
    flags = SessionFlags(server.sandbox.state / "flags.json")
    flags.pin([name_of(0)])
    flags.archive([name_of(OLD - 1)])
    try:
        shown = titles(server)
        assert shown[0] == "Old session 0"
        assert shown[1] == f"Old session {OLD - 2}"
    finally:
        flags.forget([name_of(0), name_of(OLD - 1)])
    assert titles(server)[0] == f"Old session {OLD - 1}"


def test_pinned_sessions_are_selected_also_where_there_are_no_others(server: Server) -> None:
    flags = SessionFlags(server.sandbox.state / "flags.json")
    all_of_them = [name_of(number) for number in range(OLD)]
    flags.pin(all_of_them[:1])
    flags.archive(all_of_them[1:])
    try:
        page, selecting = server.get("/").text, server.get("/?select=1").text
    finally:
        flags.forget(all_of_them)
    assert 'href="/?select=1">Select</a>' in page
    assert "Old session 0" in selecting


def test_start_page_leads_to_the_archive_where_all_sessions_are_in_it(server: Server) -> None:
    flags, all_of_them = SessionFlags(server.sandbox.state / "flags.json"), range(OLD)
    flags.archive([name_of(number) for number in all_of_them])
    try:
        page = server.get("/").text
    finally:
        flags.forget([name_of(number) for number in all_of_them])
    assert "No projects yet" not in page
    assert f'href="/projects/{project_id(server.sandbox.project)}?archived=1"' in page
    assert "All sessions are archived" not in server.get("/").text


def test_questions_and_requests_are_answered_on_the_start_page(
    server: Server, phone: Phone
) -> None:
    asking = begin(server, [asks("q1", "AskUserQuestion", QUESTION), ["ask", "q2"]])
    deciding = begin(server, [["ask", "r1"], ["text", "It was answered."]])
    of_server = begin(server, [elicits("e1", "Which one is ripe?"), ["wait", "/nowhere"]])
    page = phone.page
    # in their rows: an ended session has the same words
    until(
        lambda: all(each in needs_you(server) for each in ("Postgres", "Allow", "Pears")),
        "all wait for an answer",
    )
    both = asking.partition("#")[0]
    until(lambda: server.get(both).text.count('data-state="open"') == 2, "the second one, too")
    page.goto("/")
    needs = page.locator("#needs-you .run")
    assert misfits(page) == {}
    ripe = needs.filter(has=page.get_by_role("button", name="Pears"))
    expect(ripe).to_contain_text("orchard asks")
    ripe.get_by_role("button", name="Pears").click()
    expect(ripe).to_have_count(0)
    choosing = needs.filter(has=page.get_by_role("button", name="Postgres"))
    choosing.get_by_role("button", name="Postgres").click()
    expect(choosing).to_have_count(0)
    needs.filter(has_text="It was answered").get_by_role("button", name="Allow").click()
    page.wait_for_url(server.url + "/")
    expect(needs.get_by_role("button", name="Allow")).to_have_count(1)  # the second of the other
    assert "Postgres" in sent_to(server, asking)
    assert '"action": "accept", "content": {"fruit": "p"}' in sent_to(server, of_server)
    assert '"behavior": "allow"' in sent_to(server, deciding)


def sent_to(server: Server, address: str) -> str:
    """What the Claude of a session has been sent."""
    session_id = address.rpartition("/")[2].partition("#")[0]
    (folder,) = runs_of(server.sandbox.state, session_id)
    return (folder / "in.ndjson").read_text(encoding="utf-8")


def test_questions_and_requests_are_answered_on_the_start_page_by_forms(server: Server) -> None:
    choosing = begin(server, [asks("q1", "AskUserQuestion", QUESTION), ["wait", "/nowhere"]])
    of_server = begin(server, [elicits("e1", "Which one is ripe?"), ["wait", "/nowhere"]])
    deciding = begin(server, [["ask", "r1"], ["wait", "/nowhere"]])

    def is_asked(words: str) -> bool:
        return f">{words}<" in needs_you(server)

    def is_over(words: str) -> bool:
        return not is_asked(words)

    for words, address, answer in (
        ("Postgres", choosing, "Postgres"),
        ("Pears", of_server, '"action": "accept", "content": {"fruit": "p"}'),
        ("Allow", deciding, '"behavior": "allow"'),
    ):
        until(partial(is_asked, words), "it asks")
        assert press(server, words) == "/"
        assert answer in sent_to(server, address)
        until(partial(is_over, words), "it does not ask any more")


ANSWER_AS_A_PROXY = """(status) => {
    window.fetch = async () => new Response("<p>Somebody else's page</p>", { status });
}"""


def test_words_and_answers_stay_whatever_a_proxy_answers_in_place_of_the_server(
    server: Server, phone: Phone
) -> None:
    asking = begin(server, [["ask", "r1"], ["text", "Water the plums"]]).partition("#")[0]
    until(lambda: asking in needs_you(server), "it asks")  # its words stand in Running before
    page, box = phone.page, phone.page.locator("#home-prompt")
    page.goto("/")
    note = page.locator("#home-note")
    row = page.locator(".run", has_text="Water the plums")
    for status in (503, 200):
        page.evaluate(ANSWER_AS_A_PROXY, status)
        box.fill(f"Kept in spite of a {status}")
        page.locator(".home-go").click()
        expect(note).to_have_text("Not sent: no connection. Tap Send to try again.")
        note.evaluate("(note) => { note.textContent = ''; }")
        row.get_by_role("button", name="Allow").click()
        expect(row.get_by_role("alert")).to_have_text("Not sent: no connection. Tap to try again.")
        row.get_by_role("alert").evaluate("(alert) => { alert.textContent = ''; }")
    page.goto("/")
    expect(box).to_have_value("Kept in spite of a 200")
    elsewhere = {"Location": "/storage"}  # a page of ours
    page.route("**/asks/*", lambda route: route.fulfill(status=303, headers=elsewhere), times=1)
    row.get_by_role("button", name="Allow").click()
    expect(row.get_by_role("alert")).to_have_text("The connection is back. Tap again.")
    row.get_by_role("button", name="Allow").click()
    expect(row.get_by_role("button", name="Allow")).to_have_count(0)
    box.fill("")
    until(lambda: "Kept in spite" not in server.get("/").text, "the draft is empty")


def test_answer_without_a_network_keeps_its_row_which_then_leaves_from_under_a_finger(
    server: Server, phone: Phone
) -> None:
    words = "Settled at last"
    deciding = begin(server, [["ask", "r1"], ["text", words]]).partition("#")[0]
    until(lambda: deciding in needs_you(server), "it asks")
    phone.forgiven.append("ERR_")
    page = phone.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/")
    page.evaluate("window.isStillHere = true")
    row = page.locator(".run", has_text=words)
    allow = row.get_by_role("button", name="Allow")
    expect(allow).to_be_visible()
    page.context.set_offline(True)
    allow.click()
    note = row.get_by_role("alert")
    expect(note).to_have_text("Not sent: no connection. Tap to try again.")
    expect(allow).not_to_have_attribute("aria-busy", "true")
    assert sticks_out(page) <= 0
    page.context.set_offline(False)
    row.evaluate("row => row.dataset.old = ''")
    expect(row).not_to_have_attribute("data-old", "")  # the list has been refreshed
    expect(note).to_have_text("The connection is back. Tap again.")
    allow.hover()
    page.mouse.down()
    allow.evaluate("button => button.form.requestSubmit(button)")
    expect(row.get_by_role("button", name="Allow")).to_have_count(0)
    page.mouse.up()
    assert page.evaluate("window.isStillHere")


def test_answer_that_was_given_elsewhere_is_refused_with_a_sentence(
    server: Server, phone: Phone
) -> None:
    other = begin(server, [["ask", "r2"], ["text", "Settled elsewhere"]]).partition("#")[0]
    until(lambda: other in needs_you(server), "it asks")
    page = phone.page
    page.goto("/runs")  # which has the rows and the scripts of the start page
    row = page.locator(".run", has_text="Settled elsewhere")
    action = row.locator(".run-ask").get_attribute("action") or ""
    page.route(f"{server.url}/runs", lambda route: route.abort())  # it does not know yet
    phone.forgiven.append("ERR_")
    server.post(action, {"decision": "deny"})
    phone.forgiven.append("409 (CONFLICT)")
    row.get_by_role("button", name="Allow").click()
    expect(page.locator("#refusal")).to_contain_text("This was answered already")


def older_titles(page: Page) -> list[str]:
    return page.locator("#recent .row-title, #older .row-title").all_inner_texts()


def test_older_sessions_come_as_one_scrolls_once_each(server: Server, phone: Phone) -> None:
    page = phone.page
    page.goto("/")
    rows = page.locator("#older li")

    def scrolled() -> bool:
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        return rows.count() >= OLD - PAGE

    until(scrolled, "all have come", sleep=lambda: page.wait_for_timeout(50))
    expect(rows).to_have_count(OLD - PAGE)
    shown = [each for each in older_titles(page) if each.startswith("Old session")]
    assert len(shown) == len(set(shown)) == OLD
    expect(page.locator("#home-older [rel=next]")).to_have_count(0)
    rows.last.click()
    page.wait_for_url("**/sessions/**")
    page.go_back()
    expect(page.get_by_text("Old session 0", exact=True)).to_be_in_viewport()
