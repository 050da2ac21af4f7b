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
    """The gates of the tests so far."""
    return []


@pytest.fixture
def gate(gates: list[threading.Event]) -> Iterator[threading.Event]:
    """Holds the answer of the agent."""
    gates.append(threading.Event())
    yield gates[-1]
    gates[-1].set()


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


def card(phone: Phone) -> Locator:
    return phone.page.locator("#transcript > .block-tool")


def step(phone: Phone) -> Locator:
    """The tool that the agent uses."""
    return card(phone).locator(".tool-summary").filter(has_text="echo root")


def html(element: Locator) -> str:
    """As it was sent; the order of blocks names the file that they were read from."""
    attributes = r' (data-order="[0-9.]+"|open=""|data-htmx-powered="true")'
    return re.sub(attributes, "", element.inner_html())


def test_agent_work_is_visible_while_it_runs_then_collapsed_and_opened_by_a_link(
    sandbox: Sandbox, server: Server, gate: threading.Event, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server)
    is_seen_while_it_runs(phone, sandbox, "delegate it", gate)
    card(phone).locator("> details > summary").click()
    expect(step(phone)).to_be_visible()
    expect(card(phone).get_by_text("I found the root of it.")).to_be_visible()
    # what comes later folds nothing that a person has opened
    phone.send("and then?")
    expect(phone.transcript.get_by_text("Yes.")).to_be_visible()
    expect(step(phone)).to_be_visible()

    live = html(card(phone))
    phone.page.reload()
    expect(phone.status).to_have_text("Ready for the next prompt")
    expect(step(phone)).to_be_hidden()
    assert html(card(phone)) == live

    address = phone.page.url.partition("#")[0]
    phone.page.goto(f"{address}/search?q=root+of+it")
    phone.page.locator("a.row").first.click()
    expect(card(phone).get_by_text("I found the root of it.")).to_be_visible()

    history_shows_the_same(phone, sandbox, address, live)


def test_work_of_an_agent_in_the_background_is_visible_while_it_runs_then_collapsed(
    sandbox: Sandbox, server: Server, gate: threading.Event, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server)
    is_seen_while_it_runs(phone, sandbox, "hand over", gate)
    expect(card(phone).get_by_text("I found the root of it.")).to_be_attached()


def is_seen_while_it_runs(
    phone: Phone, sandbox: Sandbox, prompt: str, gate: threading.Event
) -> None:
    phone.begin(sandbox.project, prompt)
    expect(step(phone)).to_be_visible()
    expect(card(phone).get_by_text("I begin.")).to_be_visible()
    gate.set()
    expect(step(phone)).to_be_hidden()
    expect(card(phone).locator("> details > summary")).to_contain_text("Look")


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
    card(phone).locator("> details > summary").click()
    expect(step(phone)).to_be_visible()
    expect(card(phone).get_by_text("I begin.")).to_be_visible()
    assert html(card(phone)) == seen.replace(session_id, other)
