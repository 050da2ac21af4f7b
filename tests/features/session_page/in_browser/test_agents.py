"""The work of an agent: expanded while it runs, one line when it is done, live and from history."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.engines.claude.files import history
from tests.support.environment import Sandbox
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def gates() -> list[threading.Event]:
    """Those so far; the last one is of the agent that is at work."""
    return []


@pytest.fixture
def new_gate(gates: list[threading.Event]) -> Iterator[Callable[[], threading.Event]]:
    """Makes what holds the answer of the next agent."""

    def made() -> threading.Event:
        gates.append(threading.Event())
        return gates[-1]

    yield made
    for gate in gates:
        gate.set()


@pytest.fixture(scope="module")
def shared_api(gates: list[threading.Event]) -> Iterator[MessagesApi]:
    def task(*, background: bool) -> ToolUse:
        what = {"description": "Look", "prompt": "look around", "subagent_type": "general-purpose"}
        return ToolUse("Task", {**what, "run_in_background": background})

    def found(_: Request) -> Text:
        return Text("I found the root of it.", gate=gates[-1])

    dig = (Text("I begin."), ToolUse("Bash", {"command": "echo root"}))
    scenes = (
        Scene("look", "look around", [dig, found]),
        Scene("wait", "delegate", [task(background=False), Text("It is done.")]),
        Scene("hand", "hand over", [task(background=True), Text("It is begun.")]),
        Scene("anything", "", [Text("Yes.")]),
    )
    with MessagesApi(scenes) as api:
        yield api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


@pytest.fixture
def server(shared_real_server: Server) -> Server:
    rules = {"permissions": {"allow": ["Bash"]}}
    file = shared_real_server.sandbox.config_dir / "settings.json"
    file.write_text(json.dumps(rules), encoding="utf-8")
    return shared_real_server


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    return server.sandbox


def step(card: Locator) -> Locator:
    """The tool that the agent uses."""
    return card.locator(".tool-summary").filter(has_text="echo root")


def html(element: Locator) -> str:
    """As it was sent; the order of blocks names the file that they were read from."""
    attributes = r' (data-order="[0-9.]+"|open=""|data-htmx-powered="true")'
    return re.sub(attributes, "", element.inner_html())


def test_agent_work_is_visible_while_it_runs_then_collapsed_and_opened_by_a_link(
    sandbox: Sandbox,
    server: Server,
    new_gate: Callable[[], threading.Event],
    open_phone: Callable[..., Phone],
) -> None:
    phone, gate = open_phone(server), new_gate()
    cards = phone.page.locator("#transcript > .block-tool")
    card, found = cards.first, cards.get_by_text("I found the root of it.")
    phone.begin(sandbox.project, "delegate it")
    is_seen_while_it_runs(card, gate)
    card.locator("> details > summary").click()
    expect(step(card)).to_be_visible()
    expect(found).to_be_visible()
    # what comes later folds nothing that a person has opened
    gate = new_gate()
    phone.send("hand over")  # to an agent in the background
    is_seen_while_it_runs(cards.nth(1), gate)
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


def is_seen_while_it_runs(card: Locator, gate: threading.Event) -> None:
    expect(step(card)).to_be_visible()
    expect(card.get_by_text("I begin.")).to_be_visible()
    gate.set()
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
