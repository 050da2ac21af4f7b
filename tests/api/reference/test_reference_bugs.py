"""The reference implementation's ten bugs, each with the correct behaviour of this app.

End to end: a real server, the stand-in for Claude, pages and sockets as their clients ask for them.
Whatever stands behind each is tested where it lives.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from opcode_htmx.engines.claude.files import history
from tests.support.cli.supervision import FOREVER, steps
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import PASSWORD, USER, Sandbox, processes_of, until
from tests.support.server import Server

EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_DISCONNECT_GRACE": "5", "OPCODE_MAX_RUNS": "100"}


@contextmanager
def session(server: Server, prompt: str, **more: Any) -> Iterator[tuple[JsonClient, str, str]]:
    """A program that has begun a session: its socket, the session's id and the run's."""
    with connected(server) as client:
        folder = str(server.sandbox.project)
        client.send(command_type="execute", project_path=folder, prompt=prompt, **more)
        start = client.until("start")
        yield client, start["session_id"], start["run_id"]


def page(server: Server, session_id: str) -> str:
    """The text of a document without its code."""
    project = history.project_id(server.sandbox.project)
    answer = server.get(f"/projects/{project}/sessions/{session_id}")
    assert answer.status_code == 200
    return " ".join(unescape(answer.text).split())


def test_bug_01_sessions_are_isolated(server: Server) -> None:
    with session(server, "apples") as (one, first, _), session(server, "pears") as (two, second, _):
        for client, id_, word in ((one, first, "apples"), (two, second, "pears")):
            client.until("completion")
            assert client.said() == [word]
            assert {message["session_id"] for message in client.messages[1:]} == {id_}
        assert "apples" in page(server, first)
        assert "pears" not in page(server, first)


def test_bug_02_stop_ends_claude_and_all_that_it_has_started(server: Server) -> None:
    with session(server, steps(["grandchild"], ["text", "busy"], FOREVER)) as (client, id_, run):
        client.until(lambda message: "busy" in message.get("content", ""))
        # a process that was just forked shows its own tag only after exec
        until(lambda: len(processes_of(server.sandbox.state, run)) == 2, "both are there")
        assert server.post(f"/runs/{run}/stop", {}).status_code == 303
        client.until("ended")
        assert processes_of(server.sandbox.state, run) == []
        until(lambda: "Stopped by you." in page(server, id_), "the page says so")


def test_bug_03_stderr_of_claude_is_read(server: Server) -> None:
    said = steps(["stderr", "no such file: plum.txt"], FOREVER)
    with session(server, said) as (client, id_, _):
        error = client.until("error")
        assert (error["message"], error["session_id"]) == ("no such file: plum.txt", id_)
        until(lambda: "no such file: plum.txt" in page(server, id_), "the page shows it")


def test_bug_04_a_cancelled_session_says_cancelled_and_takes_the_next_prompt(
    server: Server,
) -> None:
    work = steps(["grandchild"], ["text", "busy"], FOREVER)
    with session(server, work) as (client, id_, run):
        client.until("output")
        client.send(command_type="cancel")
        assert client.until("cancelled")["session_id"] == id_
        assert client.until("completion")["status"] == "cancelled"
        assert processes_of(server.sandbox.state, run) == []
        client.until("ended")
        assert 'data-phase="ended"' in page(server, id_)
        client.send(command_type="prompt", session_id=id_, prompt="next")
        client.until(lambda message: message.get("status") == "success")
        assert client.said()[-1] == "next"


def test_bug_05_the_id_that_a_client_gives_is_the_sessions_everywhere(server: Server) -> None:
    wanted = str(uuid.uuid4())
    with session(server, steps(["report"]), session_id=wanted) as (client, id_, _):
        client.until("completion")
        arguments = json.loads(client.said()[0])["arguments"]
        assert wanted == id_ == arguments[arguments.index("--session-id") + 1]
        assert {message["session_id"] for message in client.messages[1:]} == {wanted}
        assert "arguments" in page(server, wanted)
        ended = server.get(f"/api/sessions/{wanted}/cancel").json()["data"]
        assert (ended["session_id"], ended["cancelled"]) == (wanted, True)
        folder = str(server.sandbox.project)
        again = {"command_type": "resume", "project_path": folder, "session_id": wanted}
        client.send(**again, prompt="once more")
        assert client.until("start")["session_id"] == wanted


def test_bug_06_a_run_ends_with_the_socket_that_began_it_unless_it_shall_stay(
    server: Server,
) -> None:
    work = steps(["grandchild"], ["text", "busy"], FOREVER)
    with session(server, work) as (client, _, left):
        client.until("output")
    with session(server, work, detach=True) as (client, id_, kept):
        client.until("output")
    until(lambda: not processes_of(server.sandbox.state, left), "what was left has ended")
    until(lambda: len(processes_of(server.sandbox.state, kept)) == 2, "they are there")
    assert server.get(f"/api/sessions/{id_}/cancel").json()["data"]["cancelled"]


def test_bug_07_claude_is_found_where_people_have_it(
    tmp_path: Path, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    """All places where it is looked for stand in tests/engines/test_cli_binary.py."""
    place, sandbox = ".nvm/versions/node/v22.1.0/bin", Sandbox(tmp_path / "home").make()
    (sandbox.home / place).mkdir(parents=True)
    found = Path(shutil.copy(stand_in, sandbox.home / place / "claude"))
    # The newest one is taken, and this machine may have others
    found.write_text(found.read_text().replace("2.1.330", "99.0.0"))
    server = start_server(sandbox, found, CLAUDE_PATH="")
    installed = server.get("/api/settings/claude/installations").json()["data"]
    assert {each["path"]: each["version"] for each in installed}[str(found)] == "99.0.0"
    with session(server, "hello") as (client, _, _):
        client.until("completion")
        assert client.said() == ["hello"]


def test_bug_08_other_origins_are_refused(server: Server) -> None:
    asked = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    preflight = requests.options(f"{server.url}/api/projects", headers=asked, timeout=20)
    read = server.get("/api/projects", headers={"Origin": EVIL})
    for answer in (preflight, read):
        assert not [name for name in answer.headers if name.startswith("Access-Control-Allow")]
    refused = server.post("/api/sessions/execute", {}, {"Origin": EVIL})
    assert (refused.status_code, refused.json()["success"]) == (403, False)
    with pytest.raises(websocket.WebSocketBadStatusException) as raised:
        JsonClient(server, origin=EVIL, suppress_origin=False)
    assert raised.value.status_code == 403


def test_bug_09_password_guessing_is_throttled(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, stand_in)
    tried = [
        requests.get(f"{server.url}/", auth=(USER, f"guess {number}"), timeout=20)
        for number in range(12)
    ]
    assert [answer.status_code for answer in tried] == [401] * 10 + [429] * 2
    assert 1 <= int(tried[-1].headers["Retry-After"]) <= 60
    assert "Too many failed logins: try again in" in tried[-1].text
    assert server.get("/").status_code == 429, "not even the right one is looked at meanwhile"


def test_bug_09_number_of_claude_processes_is_limited(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MAX_RUNS="2")

    def begin() -> dict[str, Any]:
        body = {"project_path": str(sandbox.project), "prompt": steps(["text", "on"], FOREVER)}
        url = f"{server.url}/api/sessions/execute"
        began: dict[str, Any] = requests.post(
            url, json=body, auth=(USER, PASSWORD), timeout=20
        ).json()["data"]
        return began

    def status(id_: str) -> str:
        found: str = server.get(f"/api/sessions/{id_}/output").json()["data"]["status"]
        return found

    ids = [begin()["session_id"] for _ in range(4)]
    until(lambda: [status(id_) for id_ in ids] == ["working"] * 2 + ["queued"] * 2, "two wait")
    until(lambda: len(processes_of(sandbox.state)) == 2, "they are there")
    assert server.get(f"/api/sessions/{ids[0]}/cancel").status_code == 200
    until(lambda: status(ids[2]) == "working", "the next one begins")
    assert status(ids[3]) == "queued"


PATHS = [
    *("/", "/runs", "/new", "/projects/x", "/projects/x/sessions/y", "/static/app.js"),
    *("/api/projects", "/api/sessions/running", "/api/openapi.json", "/api/settings/claude"),
    *("/api/claude/sessions", "/api/agents", "/nothing"),
]


def test_bug_10_a_stranger_sees_nothing_and_starts_nothing(server: Server) -> None:
    with session(server, "a secret pear") as (client, _, _):
        client.until("completion")
    for path in PATHS:
        answer = requests.get(server.url + path, timeout=20)
        assert answer.status_code == 401, path
        assert "orchard" not in answer.text
        assert "secret" not in answer.text
        assert requests.post(server.url + path, timeout=20).status_code in (401, 403)
    for socket in ("/ws/claude", "/api/claude/sessions/x/chat", "/projects/x/sessions/y/live"):
        with pytest.raises(websocket.WebSocketBadStatusException) as raised:
            JsonClient(server, socket, header=[])
        assert raised.value.status_code == 401
