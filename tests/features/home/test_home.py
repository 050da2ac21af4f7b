"""The start page: its lists, its prompt, and the way to older sessions."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.home.service import MOST_RUNS, PAGE
from opcode_htmx.sessions.storage.drafts import Drafts, draft_name
from opcode_htmx.sessions.storage.session_flags import SessionFlags
from tests.features.session_page.in_browser.test_look import line
from tests.support.clients import api
from tests.support.environment import Sandbox, Server, runs_of, until, write_stand_in
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import misfits, sticks_out, violations

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

OLD = 3 * PAGE
"""Sessions of the history."""


def name_of(number: int) -> str:
    return f"5e551000-0000-4000-8000-{number:012}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[Server]:
    """A server with a history and an index."""
    sandbox = Sandbox(tmp_path_factory.mktemp("home") / "home").make()
    claude = write_stand_in(tmp_path_factory.mktemp("bin") / "claude")
    for number in range(OLD):
        text = api.prompt(f"Old session {number}", sandbox.project, api.NOON + 60 * number)
        answer = {"role": "assistant", "content": [{"type": "text", "text": f"Last {number}"}]}
        text += api.line({"type": "assistant", "uuid": f"a{number}", "message": answer})
        api.session(sandbox.config_dir, sandbox.project, text, name_of(number))
    started = Server(sandbox, claude, "http://127.0.0.1:9", OPCODE_SEARCH_INDEX="1").start()
    try:
        until(lambda: f"Last {OLD - 1}" in started.get("/").text, "the sessions are indexed")
        yield started
    finally:
        started.close()


def begin(server: Server, steps: list[object]) -> str:
    """A session of the stand-in; the address of its page."""
    form = {
        "folder": str(server.sandbox.project),
        "prompt": json.dumps(steps),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
    }
    return server.post("/sessions", form).headers["Location"]


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


@pytest.mark.parametrize("scripted", [True, False], ids=["with scripts", "without"])
def test_questions_and_requests_are_answered_on_the_start_page(
    server: Server, open_phone: Callable[..., Phone], scripted: bool
) -> None:
    asking = begin(server, [asks("q1", "AskUserQuestion", QUESTION), ["ask", "q2"]])
    deciding = begin(server, [["ask", "r1"], ["text", "It was answered."]])
    of_server = begin(server, [elicits("e1", "Which one is ripe?"), ["wait", "/nowhere"]])
    phone = open_phone(server, java_script_enabled=scripted)
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
    if scripted:
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
    page.goto(asking)
    expect(page.locator(".block-ask").first).to_contain_text("Postgres")
    session_id = of_server.rpartition("/")[2].partition("#")[0]
    (folder,) = runs_of(server.sandbox.state, session_id)
    sent = (folder / "in.ndjson").read_text(encoding="utf-8")
    assert '"action": "accept", "content": {"fruit": "p"}' in sent
    page.goto(deciding)
    if not scripted:
        phone.reload_until(page.locator(".block-text").count, "Claude has gone on")
    expect(page.locator(".block-text")).to_have_text("It was answered.")
    for address in (asking, deciding, of_server):
        page.goto(address)
        run = re.search(r"/runs/(\w+)/stop", page.content())
        assert run
        server.post(f"/runs/{run[1]}/stop", {})


ANSWER_AS_A_PROXY = """(status) => {
    window.fetch = async () => new Response("<p>Somebody else's page</p>", { status });
}"""


def test_words_and_answers_stay_whatever_a_proxy_answers_in_place_of_the_server(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    asking = begin(server, [["ask", "r1"], ["text", "Water the plums"]]).partition("#")[0]
    until(lambda: "Water the plums" in server.get("/").text, "it asks")
    phone = open_phone(server)
    page, box = phone.page, phone.page.locator("#home-prompt")
    page.goto("/")
    note = page.locator("#home-note")
    row = page.locator(".run", has_text="Water the plums")
    for status in (503, 520, 200):
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
    row.get_by_role("button", name="Allow").click()
    expect(row.get_by_role("button", name="Allow")).to_have_count(0)
    box.fill("")
    until(lambda: "Kept in spite" not in server.get("/").text, "the draft is empty")
    server.post(f"{asking}/seen", {"quiet": "1"})


@pytest.mark.parametrize("address", ["/", "/runs"])
def test_answer_without_a_network_keeps_its_row_and_can_be_given_again(
    server: Server, open_phone: Callable[..., Phone], address: str
) -> None:
    words = f"Settled on {address}"
    deciding = begin(server, [["ask", "r1"], ["text", words]]).partition("#")[0]
    until(lambda: words in server.get(address).text, "it asks")
    phone = open_phone(server, viewport={"width": 360, "height": 740})
    phone.forgiven.append("ERR_")
    page = phone.page
    page.goto(address)
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
    expect(note).to_be_visible()
    allow.click()
    expect(row.get_by_role("button", name="Allow")).to_have_count(0)
    assert page.evaluate("window.isStillHere")

    # answered elsewhere: what the server says is shown, with the rows of now
    other = begin(server, [["ask", "r2"], ["text", f"{words} elsewhere"]]).partition("#")[0]
    until(lambda: f"{words} elsewhere" in server.get(address).text, "it asks")
    page.goto(address)
    row = page.locator(".run", has_text=f"{words} elsewhere")
    action = row.locator(".run-ask").get_attribute("action") or ""
    page.route(f"{server.url}{address}", lambda route: route.abort())  # it does not know yet
    server.post(action, {"decision": "deny"})
    phone.forgiven.append("409 (CONFLICT)")
    row.get_by_role("button", name="Allow").click()
    expect(page.locator("#refusal")).to_contain_text("This was answered already")
    for session in (deciding, other):
        server.post(f"{session}/seen", {"quiet": "1"})


def test_answered_row_leaves_while_a_finger_is_still_on_it(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    words = "Pressed for long"
    session = begin(server, [["ask", "r1"], ["text", words]]).partition("#")[0]
    until(lambda: words in server.get("/").text, "it asks")
    page = open_phone(server).page
    page.goto("/")
    allow = page.locator("#needs-you .run", has_text=words).get_by_role("button", name="Allow")
    allow.hover()
    page.mouse.down()
    allow.evaluate("button => button.form.requestSubmit(button)")
    expect(allow).to_have_count(0)
    page.mouse.up()
    server.post(f"{session}/seen", {"quiet": "1"})


def test_sessions_that_need_a_person_and_have_no_row_are_counted_with_the_others(
    server: Server,
) -> None:
    for number in range(MOST_RUNS + 2):
        begin(server, [["ask", f"r{number}"]])
    until(lambda: ">2 more<" in server.get("/").text, "all of them ask")
    needs_you = server.get("/").text.partition('id="needs-you"')[2].partition('id="running"')[0]
    assert needs_you.count(">2 more<") == 1
    assert server.get("/").text.count(" more<") == 1
    server.post("/runs/stop-all", {})
    until(lambda: " more<" not in server.get("/").text, "all have ended")


def older_titles(page: Page) -> list[str]:
    return page.locator("#recent .row-title, #older .row-title").all_inner_texts()


def test_older_sessions_come_as_one_scrolls_once_each(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    page = open_phone(server).page
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


def test_prompt_of_the_start_page_begins_a_session_and_survives_leaving(
    server: Server, open_phone: Callable[..., Phone], sandbox: Sandbox
) -> None:
    phone = open_phone(server)
    page = phone.page
    page.goto("/")
    field = page.get_by_role("textbox", name="New session: prompt")
    field.fill("Water the trees")
    page.goto("/runs")
    page.goto("/")
    expect(field).to_have_value("Water the trees")
    phone.button("Options").click()
    page.wait_for_url("**/new")
    prompt = page.get_by_role("textbox", name="Prompt")
    expect(prompt).to_have_value("Water the trees")
    expect(prompt).to_be_focused()
    expect(prompt).to_have_js_property("selectionEnd", len("Water the trees"))
    page.goto("/")
    phone.forgiven.append("ERR_")
    page.context.set_offline(True)
    phone.button("Send").click()
    expect(page.locator("#home-note")).to_contain_text("Not sent: no connection")
    phone.button("Options").click()
    expect(page.locator("#home-note")).to_contain_text("Your words are kept")
    page.context.set_offline(False)
    expect(field).to_have_value("Water the trees")
    phone.button("Send").click()
    page.wait_for_url("**/sessions/**")
    assert project_id(Path(server.sandbox.project)) in page.url
    expect(page.locator(".block-text")).to_have_text("Water the trees")
    page.goto("/")
    expect(field).to_have_value("")


def test_prompt_of_the_start_page_keeps_its_words_without_javascript(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server, java_script_enabled=False)
    page = phone.page
    page.goto("/")
    page.get_by_role("textbox", name="New session: prompt").fill("Prune the trees")
    phone.button("Options").click()
    page.wait_for_url("**/new")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("Prune the trees")
    phone.button("Send").click()
    page.wait_for_url("**/sessions/**")


def test_newer_words_of_another_page_are_not_lost_to_an_older_start_page(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    phone, desk = open_phone(server), open_phone(server, viewport={"width": 360, "height": 740})
    phone.forgiven.append("409 (CONFLICT)")
    desk.page.goto("/")
    here = desk.page.get_by_role("textbox", name="New session: prompt")
    phone.page.goto("/")
    there = phone.page.get_by_role("textbox", name="New session: prompt")

    def kept() -> str:
        return Drafts(server.sandbox.state / "drafts").get(draft_name("")).text

    here.fill("Graft the apples")
    until(lambda: kept() == "Graft the apples", "it is saved")
    expect(there).to_have_value("Graft the apples")  # by itself: nothing was typed there
    phone.page.route(f"{server.url}/", lambda route: route.abort())  # this page grows old
    phone.forgiven.append("ERR_FAILED")
    here.fill("Graft the apples and the plums")
    until(lambda: kept().endswith("plums"), "it is saved")
    there.fill("Dig the pond")
    other = phone.page.get_by_text("You have written something else on another page")
    expect(other).to_be_visible()
    expect(phone.page.locator("blockquote")).to_have_text("Graft the apples and the plums")
    assert misfits(phone.page) == {}
    assert violations(phone.page) == []
    assert kept() == "Graft the apples and the plums"
    phone.button("Add it to this").click()
    expect(there).to_have_value("Graft the apples and the plums\n\nDig the pond")
    until(lambda: kept().endswith("Dig the pond"), "both are saved")
    expect(other).to_be_hidden()
    there.fill("Only the pond")
    until(lambda: kept() == "Only the pond", "words of its own are replaced")
    there.fill("")
    until(lambda: not kept(), "nothing is left")


def test_options_of_an_older_start_page_show_the_words_of_both_without_javascript(
    server: Server,
) -> None:
    page = server.get("/").text
    seen = re.search(r'name="seen" value="(\w*)"', page)
    assert seen
    server.post("/new/draft", {"prompt": "From the phone", "by": "phone"})
    form = {"prompt": "From the desk", "seen": seen[1], "open": "1", "prompt_id": str(uuid.uuid4())}
    assert server.post("/new/draft", form).headers["Location"] == "/new"
    assert "\nFrom the phone\n\nFrom the desk</textarea>" in server.get("/new").text
    refused = server.post(
        "/sessions", {**form, "folder": "/none", "session_id": "x", "project": ""}
    )
    assert "\nFrom the phone\n\nFrom the desk</textarea>" in refused.text
    words = "x" * 1_000_001
    refused = server.post(
        "/new/draft", {"open": "1", "prompt": words, "prompt_id": str(uuid.uuid4())}
    )
    assert refused.status_code == 413
    assert "longer than 1,000,000 characters" in refused.text
    assert f"\n{words}</textarea>" in refused.text
    assert "From the phone" in server.get("/new").text
    server.post("/new/draft", {"prompt": "", "by": "phone"})


def test_start_page_changes_by_itself_but_not_while_one_types(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    page = open_phone(server).page
    page.goto("/")
    field = page.get_by_role("textbox", name="New session: prompt")
    asking = page.locator("#needs-you .run", has_text="asked-meanwhile")
    count = page.locator("#badge-attention-runs")
    before = count.get_attribute("data-count")
    field.focus()
    address = begin(server, [["ask", "asked-meanwhile"]])
    expect(count).not_to_have_attribute("data-count", str(before))
    expect(asking).to_have_count(0)
    field.blur()
    expect(asking).to_have_count(1)
    server.post(f"{address.partition('#')[0]}/seen", {"quiet": "1"})
