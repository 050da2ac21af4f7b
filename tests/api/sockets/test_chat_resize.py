"""A chat resizes the terminals in which Claude's own interface shows its session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.clients import api
from tests.support.clients.json_client import JsonClient
from tests.support.environment import until
from tests.support.server import Server
from tests.support.terminals import kill_terminals

pytestmark = pytest.mark.timeout(60)

SESSION = "5e551000-0000-4000-8000-000000000021"


@pytest.fixture
def chat(shared_server: Server) -> Iterator[JsonClient]:
    sandbox = shared_server.sandbox
    api.session(sandbox.config_dir, sandbox.project, api.prompt("Prune", sandbox.project), SESSION)
    client = JsonClient(shared_server, f"/api/claude/sessions/{SESSION}/chat")
    yield client
    client.ws.shutdown()
    kill_terminals(sandbox.state / "terminals")


def test_without_a_terminal_nothing_is_resized(chat: JsonClient) -> None:
    chat.send(type="resize", cols=132, rows=50)
    answer = chat.until("resized")
    assert (answer["cols"], answer["rows"], answer["terminals"]) == (132, 50, 0)


@pytest.mark.parametrize("size", [{"cols": 0, "rows": 5}, {"cols": 10**9, "rows": 5}, {"cols": 80}])
def test_a_wrong_size_is_refused(chat: JsonClient, size: dict[str, int]) -> None:
    chat.send(type="resize", **size)
    assert chat.until("error")["message"]


def test_the_terminals_of_the_session_get_the_size(chat: JsonClient, shared_server: Server) -> None:
    # in place of Claude: a program that shows its size, and again at each change
    claude = shared_server.sandbox.home / "claude"
    program = claude.read_text()
    claude.write_text(
        "#!/bin/sh\ntrap 'stty size' WINCH\nstty size\nwhile :; do sleep 0.05; done\n"
    )
    try:
        form = {
            "program": "resume",
            "session": SESSION,
            "folder": str(shared_server.sandbox.project),
        }
        address = shared_server.post("/terminal", form).headers["Location"]
        chat.send(type="resize", cols=132, rows=50)
        assert chat.until("resized")["terminals"] == 1
        until(lambda: "50 132" in shared_server.get(address).text, "the program has seen it")
    finally:
        claude.write_text(program)
