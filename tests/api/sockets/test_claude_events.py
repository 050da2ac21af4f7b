"""static/claude-events.js in a real browser: the reference DOM events, per session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.cli.supervision import steps
from tests.support.environment import Sandbox, until
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

KEEP_SOCKETS = """
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
        constructor(...args) { super(...args); sockets.push(this); }
    };
"""
LISTEN = """
    async (options) => {
        const { ClaudeEvents } = await import("/static/claude-events.js");
        window.heard = [];
        const dispatch = EventTarget.prototype.dispatchEvent;
        window.dispatchEvent = function (event) {
            if (event.type.startsWith("claude-")) heard.push([event.type, event.detail]);
            return dispatch.call(this, event);
        };
        window.claude = new ClaudeEvents(undefined, options);
    }
"""
Heard = list[tuple[str, Any]]


class Embedding:
    """A page that uses the module."""

    def __init__(self, phone: Phone, **options: object) -> None:
        self.page = phone.page
        self.page.goto("/new")
        self.page.evaluate(LISTEN, options)

    def call(self, method: str, *arguments: object) -> Any:
        given = {"method": method, "arguments": arguments}
        return self.page.evaluate("given => claude[given.method](...given.arguments)", given)

    def heard(self, name: str) -> list[Any]:
        """The details of the events of this name."""
        found: Heard = self.page.evaluate("heard")
        return [detail for type_, detail in found if type_ == name]

    def said(self, name: str) -> list[str]:
        """The assistant's texts in the output events of this name."""
        lines = [line for line in self.heard(name) if line["type"] == "assistant"]
        return [line["message"]["content"][0]["text"] for line in lines]

    def until(self, name: str, count: int = 1) -> list[Any]:
        """Wait for as many events of this name; their details."""
        self.wait(f"heard.filter(([type]) => type === {name!r}).length >= {count}")
        return self.heard(name)

    def wait(self, condition: str) -> None:
        """The page forbids eval, with which Playwright would wait for this."""
        until(lambda: self.page.evaluate(condition), condition, timeout=40)

    def cut(self) -> None:
        self.page.evaluate("sockets.at(-1).close(4000)")


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    yield shared_server
    shared_server.ensure_started()


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    return server.sandbox


@pytest.fixture(scope="module")
def _phone(browser: Browser, shared_server: Server) -> Iterator[Phone]:
    with closing(Phone(browser, shared_server)) as phone:
        phone.page.add_init_script(KEEP_SOCKETS)
        yield phone


@pytest.fixture
def phone(_phone: Phone, server: Server) -> Iterator[Phone]:
    """One for all tests, each of which loads a page of its own."""
    _phone.forgiven += CUT_OFF
    yield _phone
    _phone.hand_on()


def test_bug_1_two_sessions_side_by_side_never_mix(phone: Phone, sandbox: Sandbox) -> None:
    page = Embedding(phone)
    ids = page.page.evaluate(
        """folder => Promise.all(["apples", "pears"].map(word =>
            claude.execute(folder, JSON.stringify([["text", word], ["text", word]]))))""",
        str(sandbox.project),
    )
    page.until("claude-complete", 2)
    for session_id, word in zip(ids, ("apples", "pears"), strict=True):
        assert page.said(f"claude-output:{session_id}") == [word, word]
        assert page.heard(f"claude-complete:{session_id}") == [True]
    assert sorted(page.said("claude-output")) == ["apples", "apples", "pears", "pears"]
    assert page.heard("claude-error") == []


def test_errors_and_ends_have_the_details_of_the_seeds(phone: Phone, sandbox: Sandbox) -> None:
    page = Embedding(phone)
    folder = str(sandbox.project)
    failing = page.call("execute", folder, steps(["stderr", "out of plums"], ["exit", 3]))
    assert page.until(f"claude-complete:{failing}") == [False]
    assert "out of plums" in page.heard(f"claude-error:{failing}")
    stopped = page.call("execute", folder, steps(["text", "one"], ["wait", "/nowhere"]))
    page.until(f"claude-output:{stopped}")
    page.call("cancel", stopped)
    assert page.until(f"claude-complete:{stopped}") == [False]
    assert page.heard(f"claude-cancelled:{stopped}") == [True] == page.heard("claude-cancelled")


def test_prompts_permissions_and_resuming(phone: Phone, sandbox: Sandbox) -> None:
    page = Embedding(phone)
    folder = str(sandbox.project)
    session_id = page.call("execute", folder, steps(["ask", "request-1"], ["text", "one"]))
    page.wait("heard.some(([, line]) => line.type === 'control_request')")
    page.call("permission", session_id, "request-1", "allow")
    page.until("claude-complete")
    assert page.call("prompt", session_id, "two") == session_id
    page.until("claude-complete", 2)
    assert page.call("resume", folder, session_id, "three") == session_id
    page.until("claude-complete", 3)
    assert page.call("continue", folder, "four") == session_id
    page.until("claude-complete", 4)
    assert page.said("claude-output") == ["one", "two", "three", "four"]
    refused = page.page.evaluate("claude.execute('/nowhere', 'x').catch(error => error.message)")
    assert "outside the folders" in refused


def test_reconnected_socket_loses_and_repeats_no_line(
    phone: Phone, sandbox: Sandbox, tmp_path: Path
) -> None:
    page = Embedding(phone)
    gates = [tmp_path / name for name in ("first", "second")]
    waits = [["wait", str(gate)] for gate in gates]
    prompt = steps(["lines", 100], waits[0], ["lines", 100], waits[1], ["lines", 100])
    session_id = page.call("execute", str(sandbox.project), prompt)
    for gate in gates:
        page.cut()
        gate.touch()
        page.wait("sockets.at(-1).readyState === 1")
    assert page.until("claude-complete") == [True]
    assert page.said(f"claude-output:{session_id}") == [f"line {n}" for n in range(100)] * 3
    assert page.heard("claude-error") == []


def test_a_prompt_whose_answer_was_cut_off_is_carried_out_once(
    phone: Phone, sandbox: Sandbox
) -> None:
    page = Embedding(phone)
    page.wait("sockets.at(-1).readyState === 1")
    session_id = page.page.evaluate(
        """folder => {
            const begun = claude.execute(folder, "hello");
            sockets.at(-1).close(4000);
            return begun;
        }""",
        str(sandbox.project),
    )
    assert page.until("claude-complete") == [True]
    assert page.said(f"claude-output:{session_id}") == ["hello"]


def test_killed_server_loses_and_repeats_no_line(
    phone: Phone, sandbox: Sandbox, server: Server, tmp_path: Path
) -> None:
    page = Embedding(phone)
    gate = tmp_path / "gate"
    prompt = steps(["lines", 100], ["wait", str(gate)], ["lines", 100])
    session_id = page.call("execute", str(sandbox.project), prompt)
    page.until(f"claude-output:{session_id}", 40)
    server.kill()
    gate.touch()
    server.start()
    assert page.until("claude-complete") == [True]
    assert page.said(f"claude-output:{session_id}") == [f"line {n}" for n in range(100)] * 2
    assert page.heard("claude-error") == []


def test_session_completes_with_an_error_when_reconnecting_fails(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    page = Embedding(phone, patience=500)
    session_id = page.call("execute", str(sandbox.project), steps(["wait", "/nowhere"]))
    server.kill()
    assert page.until(f"claude-complete:{session_id}") == [False]
    [error] = page.heard(f"claude-error:{session_id}")
    assert "connection to Claude was lost" in error
    until(lambda: page.heard("claude-complete") == [False], "it is reported once")


def test_later_page_continues_from_the_cursor_of_another(
    phone: Phone, sandbox: Sandbox, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    first = Embedding(phone)
    prompt = steps(["text", "one"], ["wait", str(gate)], ["text", "two"])
    session_id = first.call("execute", str(sandbox.project), prompt, {"detach": True})
    first.wait("heard.some(([, line]) => line.type === 'assistant')")
    cursor = first.call("cursorOf", session_id)
    first.call("close")
    later = Embedding(phone)
    later.call("attach", session_id, cursor)
    gate.touch()
    later.until("claude-complete")
    assert later.said("claude-output") == ["two"]
