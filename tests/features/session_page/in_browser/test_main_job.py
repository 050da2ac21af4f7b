"""The main use case in a browser: real gunicorn, the real Claude CLI, a scripted Messages API."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Locator, expect

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.files import history
from tests.features.session_page.in_browser.look.reading import SHIFTS, to_go
from tests.features.session_page.in_browser.main_job import (
    WORDS,
    Script,
    answer_is,
    asked,
    half_is_there,
    held,
    run_of,
    stands_once,
    turns,
)
from tests.support.cli.idle_sessions import IdleSessions
from tests.support.environment import Sandbox, processes_of, runs_of, until
from tests.support.pages.browser import CUT_OFF, MOVING, Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def shared_script() -> Script:
    return Script()


@pytest.fixture
def script(shared_script: Script) -> Iterator[Script]:
    shared_script.gate = threading.Event()
    yield shared_script
    shared_script.gate.set()


@pytest.fixture(scope="module")
def shared_api(shared_script: Script) -> Iterator[MessagesApi]:
    with MessagesApi(shared_script.scenes()) as running:
        yield running


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


@pytest.fixture
def server(shared_real_server: Server) -> Iterator[Server]:
    yield shared_real_server
    shared_real_server.ensure_started()


@pytest.fixture(scope="module")
def moving_phone(browser: Browser, shared_real_server: Server) -> Iterator[Phone]:
    with closing(Phone(browser, shared_real_server, **MOVING)) as phone:
        yield phone


@pytest.fixture
def phone(server: Server, moving_phone: Phone) -> Iterator[Phone]:
    """One for all tests, which change no more of it than its page."""
    yield moving_phone
    moving_phone.hand_on()


@pytest.fixture
def idle_phone(phone: Phone, idle_sessions: IdleSessions) -> Phone:
    phone.open_session(idle_sessions.take())
    return phone


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    """With a project for one test."""
    return server.sandbox.with_own_project()


def test_prompt_watch_reload_queue_allow_deny_continue_stop_find_again_and_resume(
    phone: Phone, sandbox: Sandbox, script: Script
) -> None:
    assert not phone.is_calm
    phone.begin_by_form(sandbox.project, "Let it grow")
    half_is_there(phone)  # the text grows: it is seen in part before it is seen in whole
    expect(phone.status).to_have_text("Writing…")
    phone.page.reload()
    half_is_there(phone)
    phone.send("make allowed.txt")
    expect(phone.page.locator("#queue")).to_contain_text("make allowed.txt")
    expect(phone.page.get_by_role("textbox", name="Prompt")).to_have_value("")
    script.gate.set()
    expect(phone.status).to_have_text("Waiting for your answer")
    stands_once(phone, WORDS)
    expect(phone.page.locator("#queue li")).to_have_count(0)
    expect(phone.page.locator(".block-summary")).to_contain_text("tokens in")
    expect(phone.page.locator(".block-ask")).to_contain_text("echo made > allowed.txt")
    assert not (sandbox.project / "allowed.txt").exists()
    phone.button("Allow").click()
    answer_is(phone, "It is made.")
    assert (sandbox.project / "allowed.txt").read_text() == "made\n"
    expect(phone.page.locator(".block-tool").last).to_have_attribute("data-state", "done")
    expect(phone.status).to_have_text("Ready for the next prompt")

    phone.send("make denied.txt")
    phone.button("Deny").click()
    answer_is(phone, "Then not.")
    assert not (sandbox.project / "denied.txt").exists()
    expect(phone.page.locator(".block-tool").last).to_have_attribute("data-state", "denied")

    phone.send("sleep well")
    phone.button("Allow").click()
    expect(phone.page.locator(".block-tool").last).to_have_attribute("data-state", "running")
    (run,) = runs_of(sandbox.state, phone.session_id)

    def processes() -> list[str]:
        return [process.name() for process in processes_of(sandbox.state, run.name)]

    until(lambda: "tail" in processes(), "Claude's shell is at work")
    phone.stop()
    expect(phone.status).to_have_text("Stopped by you.")
    until(lambda: not processes(), "nothing of it is left")
    followed = phone.dom()

    phone.page.goto("/")
    phone.project_row(sandbox.name).click()
    phone.page.get_by_role("link", name="Let it grow").click()
    expect(phone.page.locator(".block-text").first).to_have_text(WORDS)
    phone.page.locator("body[data-link=online]").wait_for()
    assert phone.dom() == followed, "texts and cards are as they were when they came"
    phone.send("Are you there?")
    answer_is(phone, "You said: Are you there?")
    prompts = phone.page.locator("#transcript .prompt-text").all_inner_texts()
    sent = ["Let it grow", "make allowed.txt", "make denied.txt", "sleep well", "Are you there?"]
    assert prompts == sent


def test_server_killed_in_mid_answer_loses_no_words_no_request_and_no_prompt_sent_meanwhile(
    idle_phone: Phone, script: Script, server: Server, shared_api: MessagesApi
) -> None:
    phone, run = idle_phone, run_of(idle_phone, server)
    before = asked(run)
    phone.send("hold, then make survived.txt")
    half_is_there(phone)
    phone.forgiven += CUT_OFF
    server.kill()
    phone.send("Do not lose this")
    unsent = phone.page.locator("#sending .block-prompt")
    expect(unsent).to_contain_text("Do not lose this")
    expect(unsent).to_contain_text("Not sent yet. Goes once back online")
    expect(phone.status).to_contain_text("Offline. Last update")
    script.gate.set()
    until(lambda: asked(run) > before, "the run goes on, and asks")
    server.start()
    expect(phone.status).to_have_text("Waiting for your answer")
    expect(unsent).to_have_count(0)
    stands_once(phone, held("hold, then make survived.txt"))
    phone.button("Allow").click()
    expect(phone.status).to_have_text("Ready for the next prompt")
    stands_once(phone, "It is made.")
    assert (server.sandbox.project / "survived.txt").exists()
    sent = phone.page.locator("#transcript .block-prompt", has_text="Do not lose this")
    expect(sent).to_have_count(1)
    assert "Do not lose this" in json.dumps(shared_api.requests[-1]["messages"])
    assert run_of(phone, server) == run
    phone.stays_after_a_reload()


SCROLL_UP_A_LITTLE = """async () => {
    scrollBy(0, -300);
    for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
    shifts.length = 0;
}"""
"""Not so far that older blocks come. What has moved before is not what is read further up."""


def test_an_answer_that_grows_shifts_nothing_that_is_read_further_up(
    idle_phone: Phone, server: Server, script: Script
) -> None:
    page, run = idle_phone.page, run_of(idle_phone, server)
    before, code = turns(run), page.locator(".block-text pre").count()
    page.evaluate(SHIFTS)
    (server.sandbox.project / "notes.txt").write_text("a note\n" * 30)
    form = {"prompt_id": str(uuid.uuid4()), "prompt": "Tell me more"}  # by no input on this page
    assert server.post(f"{page.url.partition('#')[0].removeprefix(server.url)}/prompt", form).ok
    expect(page.locator(".block-text pre")).not_to_have_count(code)
    page.evaluate(SCROLL_UP_A_LITTLE)
    script.gate.set()
    until(lambda: turns(run) > before, "all is said")
    expect(idle_phone.status).to_have_text("Ready for the next prompt")
    assert to_go(page) >= 2
    assert sum(page.evaluate("shifts")) < 0.05


# The work of an agent: expanded while it runs, one line when it is done, live and from history
def test_agent_work_is_visible_while_it_runs_then_collapsed_and_opened_by_a_link(
    phone: Phone, sandbox: Sandbox, script: Script
) -> None:
    (sandbox.project / "root.txt").touch()
    cards = phone.page.locator("#transcript > .block-tool")
    card, found = cards.first, cards.get_by_text("I found the root of it.")
    phone.begin(sandbox.project, "delegate it")
    is_seen_while_it_runs(card, script)
    card.locator("> details > summary").click()
    expect(step(card)).to_be_visible()
    expect(found).to_be_visible()
    # what comes later folds nothing that a person has opened
    script.gate = threading.Event()
    phone.send("hand over")  # to an agent in the background
    is_seen_while_it_runs(cards.nth(1), script)
    expect(found.nth(1)).to_be_attached()
    expect(step(card)).to_be_visible()

    live = html(card)
    phone.page.reload()
    expect(phone.status).to_have_text("Ready for the next prompt")
    expect(step(card)).to_be_hidden()
    assert html(card) == live

    address = phone.page.url.partition("#")[0]
    phone.page.goto(f"{address}/search?q=root+of+it")
    phone.page.locator("a.row").first.click()
    expect(found.filter(visible=True)).to_have_count(1)

    history_shows_the_same(phone, sandbox, address, live)


def step(card: Locator) -> Locator:
    """The tool that the agent uses."""
    return card.locator(".tool-summary").filter(has_text="root.txt")


def html(element: Locator) -> str:
    """As it was sent; the order of blocks names the file that they were read from."""
    attributes = r' (data-order="[0-9.]+"|open=""|data-htmx-powered="true")'
    return re.sub(attributes, "", element.inner_html())


def is_seen_while_it_runs(card: Locator, script: Script) -> None:
    expect(step(card)).to_be_visible()
    expect(card.get_by_text("I begin.")).to_be_visible()
    script.gate.set()
    expect(step(card)).to_be_hidden()
    expect(card.locator("> details > summary")).to_contain_text("Look")


def history_shows_the_same(phone: Phone, sandbox: Sandbox, address: str, seen: str) -> None:
    """As a session of a terminal, of which this server has never had a run."""
    session_id = address.rpartition("/")[2]
    found = history.find(sandbox.config_dir, session_id)
    assert found is not None
    other = "22222222-2222-4222-8222-222222222222"
    beside = found.with_suffix("")
    beside.rename(beside.with_name(other))
    found.rename(found.with_name(f"{other}.jsonl"))
    phone.page.goto(address.replace(session_id, other))
    card = phone.page.locator("#transcript > .block-tool").first
    card.locator("> details > summary").click()
    expect(step(card)).to_be_visible()
    expect(card.get_by_text("I begin.")).to_be_visible()
    assert html(card) == seen.replace(session_id, other)
