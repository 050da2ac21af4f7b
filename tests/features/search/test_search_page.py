"""Search in all sessions: the page with its process, over HTTP and in a browser."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.features.search.searching import fill_filters, search_for
from tests.sessions.index.histories import ONE, TWO, Session
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import (
    smaller_than_a_thumb,
    sticks_out,
    too_small_to_type_in,
    violations,
)
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


MAIN = {"gitBranch": "main"}


def tool_result(call: str, text: str) -> dict[str, str]:
    return {"type": "tool_result", "tool_use_id": call, "content": text}


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[Server]:
    """A server with an index of two sessions."""
    sandbox = Sandbox(tmp_path_factory.mktemp("search") / "home").make()
    claude = write_stand_in(tmp_path_factory.mktemp("bin") / "claude")
    shop = Session(sandbox.config_dir, ONE, str(sandbox.project))
    shop.prompt("Where is the cinnamon?", gitBranch="main")
    shop.call("Bash", "t1", command="grep -rn cinnamon .")
    shop.result("t1", "pie.py:4: cinnamon = 2")
    shop.call("Edit", "t2", file_path="pie.py", old_string="2", new_string="3")
    log = [f"line {number}" for number in range(2000)]
    shop.call("Bash", "t3", command="grep -c cardamom log")
    shop.add("user", [tool_result("t3", "\n".join([*log, "1999 pods of cardamom", *log]))], **MAIN)
    for number in range(60):
        shop.prompt(f"Note {number}")
        shop.answer(f"Noted <b>{number}</b>.", message={"id": f"m{number}", "model": "opus"})
    shop.answer("The nutmeg is <script>alert(1)</script> in the jar.")
    infra = Session(sandbox.config_dir, TWO, str(sandbox.home / "work" / "infra"))
    infra.prompt("No cinnamon in the kitchen of infra", at=1000)
    started = Server(sandbox, claude, "http://127.0.0.1:9", OPCODE_SEARCH_INDEX="1").start()
    try:
        until(lambda: "cinnamon" in found(started, "cinnamon"), "the sessions are indexed")
        yield started
    finally:
        started.close()


def found(server: Server, words: str, **more: str) -> str:
    """The results as text, without markup."""
    page = server.get("/search", params={"q": words, **more}).text
    results = page.partition('id="found"')[2].partition("</main>")[0]
    return re.sub(r"<[^<>]*>", "", results)


def indexers(server: Server) -> list[psutil.Process]:
    state = str(server.sandbox.state)
    return [
        each
        for each in psutil.process_iter(["cmdline"])
        if any("index.indexer" in part for part in each.info["cmdline"] or ())
        and any(part.startswith(state) for part in each.info["cmdline"])
    ]


def test_results_are_grouped_by_session_and_escaped(server: Server) -> None:
    text = found(server, "cinnamon")
    assert text.index("No cinnamon in the kitchen") < text.index("Where is the cinnamon?")
    assert "pie.py:4: cinnamon = 2" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found(server, "nutmeg")
    assert "Nothing found" in found(server, "no_such_word")


def test_search_is_limited_by_the_fields_of_the_form(server: Server) -> None:
    assert "kitchen" not in found(server, "cinnamon", project=str(server.sandbox.project))
    assert "pie.py" not in found(server, "cinnamon", no_output="1")
    assert "pie.py" in found(server, "cinnamon", role="output")
    ids = session_ids(server)
    assert "kitchen" not in found(server, "cinnamon", session=ids)
    assert "pie.py" in found(server, "cinnamon", session=ids)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"since": "yesterday"}, "Write a date as"),
        ({"role": "nobody"}, "Choose who said it"),
        ({"session": f"/{ONE}"}, "address of no session"),
        ({"session": "-folder/../../x"}, "address of no session"),
        ({"page": "0"}, "no such page"),
        ({"page": "9" * 500}, "no such page"),
    ],
)
def test_form_that_cannot_be_understood_is_refused(
    server: Server, fields: dict[str, str], reason: str
) -> None:
    refused = server.get("/search", params={"q": "x", **fields})
    assert (refused.status_code, reason in refused.text) == (422, True)


def test_marks_in_a_session_are_of_texts_only(server: Server) -> None:
    address = f"/projects/{session_ids(server).replace('/', '/sessions/')}"
    for words in ("script", "b noted", "<", "&", '"', "x" * 5000, "article class block"):
        for query in ("q", "text"):
            page = server.get(address, params={"from": "t3", "hit": "t3", query: words}).text
            assert "<script>alert" not in page
            assert page.count("<article") == page.count("</article>")
    page = server.get(address, params={"hit": "none", "q": "cardamom"}).text
    assert "<mark" not in page
    assert '<details id="b-t3-d" open>' not in page


def test_card_of_a_hit_is_open_from_the_start(server: Server) -> None:
    # Chromium opens details around the place of an address by itself, other browsers do not
    address = f"/projects/{session_ids(server).replace('/', '/sessions/')}"
    page = server.get(address, params={"from": "t1", "hit": "t1", "q": "cinnamon"}).text
    assert page.count('<details id="b-t1-d" open>') == 1
    assert '<details id="b-t3-d">' in page


def session_ids(server: Server) -> str:
    """The session with most messages, as the search page names it."""
    folder = Session(server.sandbox.config_dir, ONE, str(server.sandbox.project)).path.parent.name
    return f"{folder}/{ONE}"


def test_what_is_said_now_is_found_at_once(server: Server) -> None:
    sandbox = server.sandbox
    live = Session(sandbox.config_dir, "3" * 8 + TWO[8:], str(sandbox.project))
    live.prompt("The saffron came today")
    until(lambda: "saffron came" in found(server, "saffron"), "the new prompt is found")


def test_line_that_is_gone_leads_to_its_session(server: Server) -> None:
    folder = Session(server.sandbox.config_dir, ONE, str(server.sandbox.project)).path.parent.name
    lines = f"/projects/{folder}/sessions/{ONE}/line"
    answer = server.get(f"{lines}/{TWO}", allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"/sessions/{ONE}#end")
    assert server.get(f"{lines}/none").status_code == 404
    assert server.get(f"/projects/{folder}/sessions/{TWO}/line/x").status_code == 404


def test_summary_leads_to_its_compaction_on_the_page(server: Server) -> None:
    session = Session(server.sandbox.config_dir, "4" * 8 + TWO[8:], str(server.sandbox.project))
    session.prompt("Bake it")
    compaction = session.compaction("So far, they spoke of the turmeric.")
    session.prompt("Go on")
    until(lambda: "turmeric" in found(server, "turmeric"), "the summary is found")
    page = server.get("/search", params={"q": "turmeric"}).text
    lines = re.findall(r'href="([^"]+/line/[^"]+)"', page)
    assert len(lines) == 1
    address = server.get(lines[0], allow_redirects=False).headers["Location"]
    (block,) = parse_qs(urlsplit(address).query)["hit"]
    assert block.endswith(compaction)
    assert f'id="b-{block}"' in server.get(address).text


def test_words_are_found_as_one_types_and_lead_to_their_message_and_back(
    server: Server, kept_phone: Phone
) -> None:
    page = kept_phone.page
    page.goto("/search")
    page.get_by_role("searchbox").press_sequentially("cinn", delay=20)
    expect(page.locator("#found mark").first).to_have_text("cinnamon")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Project").select_option(str(server.sandbox.project))
    expect(page.get_by_text("kitchen of infra")).to_have_count(0)
    page.locator(".search-hit", has_text="pie.py:4").click()
    page.wait_for_url("**/sessions/**")
    expect(page.locator(".block-tool", has_text="cinnamon")).to_be_in_viewport()
    mark = page.locator("mark#found")
    expect(mark).to_have_text("cinnamon")
    expect(page.locator("pre", has=mark)).to_have_text("pie.py:4: cinnamon = 2")  # of the output
    page.locator(".back").click()
    expect(page.get_by_role("searchbox")).to_have_value("cinn")
    expect(page.locator(".search-hit", has_text="pie.py:4")).to_be_visible()


SCREENS: tuple[ViewportSize, ...] = (
    {"width": 360, "height": 740},
    {"width": 390, "height": 844},
)


def fits(page: Page) -> None:
    """What is shown, on both phones."""
    for each in SCREENS:
        page.set_viewport_size(each)
        assert sticks_out(page) == 0, each
        assert smaller_than_a_thumb(page) == [], each


def finds_nothing_of_all_kinds(page: Page, server: Server, scripted: bool) -> None:
    """All filters at once."""
    page.goto("/search")
    search_for(page, "cinnamon", scripted)
    expect(page.locator("#found mark").first).to_have_text("cinnamon")
    fill_filters(page, server, model="opus", role="answer")
    page.get_by_role("button", name="Show results").click()
    expect(page.locator(".filter-chip")).to_have_count(11)
    expect(page.locator("#found")).to_contain_text("with these filters: Project: orchard")
    fits(page)
    page.get_by_role("link", name="Search without filters").click()
    expect(page.locator(".filter-chip")).to_have_count(0)


SHOWS_PLACEHOLDER = """field => {
    const { font } = getComputedStyle(field, "::placeholder");
    const { paddingLeft, paddingRight } = getComputedStyle(field);
    const words = Object.assign(document.createElement("canvas").getContext("2d"), { font });
    const space = field.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
    return words.measureText(field.placeholder).width <= space;
}"""


def test_every_control_works(server: Server, kept_phone: Phone) -> None:
    page = kept_phone.page
    finds_nothing_of_all_kinds(page, server, scripted=True)

    # those of an output, whose chips are removed one by one
    fill_filters(page, server, role="output")
    page.get_by_role("checkbox", name="Not in what tools printed").set_checked(False)
    page.get_by_role("button", name="Show results").click()
    chips = page.locator(".filter-chip")
    expect(chips).to_have_count(9)
    expect(chips.nth(1)).to_have_text("Said by: Output")
    expect(page.locator(".search-hit")).to_have_count(1)
    expect(page.locator(".search-fields")).to_be_hidden()
    expect(page.locator(".search-hit")).to_be_in_viewport()
    fits(page)
    page.get_by_role("link", name="Remove the filter Tool: Bash").click()
    expect(chips).to_have_count(8)
    page.get_by_text("Filters", exact=True).click()
    expect(page.locator("[name=tool]")).to_have_value("")
    expect(page.get_by_label("Git branch")).to_have_value("main")
    assert too_small_to_type_in(page) == []
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, "color-contrast") == []
    page.emulate_media(color_scheme="light")
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    for each in SCREENS:
        page.set_viewport_size(each)
        assert sticks_out(page) == 0, each
        assert page.get_by_role("searchbox").evaluate(SHOWS_PLACEHOLDER), each
    page.get_by_role("link", name="Clear filters").click()
    expect(chips).to_have_count(0)

    # all places of one session, page by page
    search_for(page, "noted", scripted=True)
    page.get_by_role("link", name="57 more places in this session").click()
    expect(chips).to_have_text(["In “Where is the cinnamon?”"])
    expect(page.locator(".search-count")).to_have_text("Places 1 to 20 of 60, the newest first")
    page.get_by_role("link", name="Older places").click()
    expect(page.locator(".search-count")).to_contain_text("21 to 40")
    page.get_by_role("link", name="Newer places").click()
    expect(page.locator(".search-count")).to_contain_text("1 to 20")
    search_for(page, "cinnamon", scripted=True)
    expect(page.locator(".search-count")).to_have_text("3 places, the newest first")
    chips.click()
    expect(page.get_by_text("kitchen of infra").first).to_be_visible()


def test_hit_leads_to_its_marked_words(kept_phone: Phone) -> None:
    page = kept_phone.page
    page.goto("/search")
    search_for(page, "cardamom", scripted=True)
    page.locator(".search-hit", has_text="1999 pods").click()
    found = page.locator("mark#found")
    expect(found).to_have_text("cardamom")  # behind the part that the card shows
    expect(found).to_be_in_viewport(ratio=1)


def test_without_scripts_filters_do_the_same(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    page = open_phone(server, java_script_enabled=False).page
    finds_nothing_of_all_kinds(page, server, scripted=False)


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ('"Note 7"', "Note 7"),
        ("jar the nutmeg", "The"),
        ('"pods of cardamom"', "pods of cardamom"),  # behind the part that its card shows
    ],
)
def test_first_of_the_words_is_marked(server: Server, query: str, marked: str) -> None:
    page = server.get("/search", params={"q": query}).text
    (line,) = re.findall(r'href="([^"]+/line/[^"]+)"', page)
    shown = server.get(html.unescape(line)).text
    assert re.findall(r'<mark id="found"[^>]*>([^<]*)</mark>', shown) == [marked]


def test_one_process_keeps_the_index_and_ends_with_the_server(
    server: Server, tmp_path: Path
) -> None:
    (process,) = indexers(server)
    process.kill()
    until(lambda: [p for p in indexers(server) if p != process], "another one was started")
    (successor,) = indexers(server)
    server.kill()
    until(lambda: not successor.is_running(), "the process has ended with the server")
    server.start()
    until(lambda: indexers(server), "the index is kept again")
    assert "pie.py" in found(server, "cinnamon")
