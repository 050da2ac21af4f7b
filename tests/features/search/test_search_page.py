"""Search in all sessions: the page with its process, over HTTP and in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from tests.sessions.index.histories import ONE, TWO, Session
from tests.support.browser import Phone
from tests.support.environment import Sandbox, Server, until, write_stand_in
from tests.support.page_checks import smaller_than_a_thumb, too_small_to_type_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[Server]:
    """A server with an index of two sessions."""
    sandbox = Sandbox(tmp_path_factory.mktemp("search") / "home").make()
    claude = write_stand_in(tmp_path_factory.mktemp("bin") / "claude")
    shop = Session(sandbox.config_dir, ONE, str(sandbox.project))
    shop.prompt("Where is the cinnamon?")
    shop.call("Bash", "t1", command="grep -rn cinnamon .")
    shop.result("t1", "pie.py:4: cinnamon = 2")
    for number in range(60):
        shop.prompt(f"Note {number}")
        shop.answer(f"Noted <b>{number}</b>.")
    shop.answer("The nutmeg is <script>alert(1)</script> in the jar.")
    infra = Session(sandbox.config_dir, TWO, str(sandbox.home / "work" / "infra"))
    infra.prompt("No cinnamon in the kitchen of infra")
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
    refused = server.get("/search", params={"q": "x", "since": "yesterday"})
    assert refused.status_code == 422
    assert "Write a date as" in refused.text


def test_what_is_said_now_is_found_at_once(server: Server) -> None:
    sandbox = server.sandbox
    live = Session(sandbox.config_dir, "3" * 8 + TWO[8:], str(sandbox.project))
    live.prompt("The saffron came today")
    until(lambda: "saffron came" in found(server, "saffron"), "the new prompt is found")


def test_line_that_is_gone_leads_to_its_session(server: Server) -> None:
    folder = Session(server.sandbox.config_dir, ONE, str(server.sandbox.project)).path.parent.name
    answer = server.get(f"/projects/{folder}/sessions/{ONE}/line/none", allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"/sessions/{ONE}#end")
    assert server.get(f"/projects/{folder}/sessions/{TWO}/line/x").status_code == 404


def test_summary_leads_to_its_compaction_on_the_page(server: Server) -> None:
    session = Session(server.sandbox.config_dir, "4" * 8 + TWO[8:], str(server.sandbox.project))
    session.prompt("Bake it")
    compaction = session.compaction("So far, they spoke of the cardamom.")
    session.prompt("Go on")
    until(lambda: "cardamom" in found(server, "cardamom"), "the summary is found")
    page = server.get("/search", params={"q": "cardamom"}).text
    lines = re.findall(r'href="([^"]+/line/[^"]+)"', page)
    assert len(lines) == 1
    address = server.get(lines[0], allow_redirects=False).headers["Location"]
    block = address.partition("#")[2]
    assert block.endswith(compaction)
    assert f'id="{block}"' in server.get(address).text


def test_words_are_found_as_one_types_and_lead_to_their_message_and_back(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    page = open_phone(server).page
    page.goto("/search")
    page.get_by_role("searchbox").press_sequentially("cinn", delay=20)
    expect(page.locator("#found mark").first).to_have_text("cinnamon")
    page.get_by_text("Only in…").click()
    assert smaller_than_a_thumb(page) == []
    assert too_small_to_type_in(page) == []
    page.get_by_label("Project").select_option(str(server.sandbox.project))
    expect(page.get_by_text("kitchen of infra")).to_have_count(0)
    page.locator(".search-hit", has_text="pie.py:4").click()
    page.wait_for_url("**/sessions/**")
    expect(page.locator(".block-tool", has_text="cinnamon")).to_be_in_viewport()
    page.locator(".back").click()
    expect(page.get_by_role("searchbox")).to_have_value("cinn")
    expect(page.locator(".search-hit", has_text="pie.py:4")).to_be_visible()


def test_search_works_without_javascript(server: Server, open_phone: Callable[..., Phone]) -> None:
    page = open_phone(server, java_script_enabled=False).page
    page.goto("/search")
    page.get_by_role("searchbox").fill('"Note 7"')
    page.get_by_role("button", name="Search").click()
    page.locator(".search-hit").click()
    expect(page.locator(".block-prompt", has_text="Note 7").first).to_be_in_viewport()


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
