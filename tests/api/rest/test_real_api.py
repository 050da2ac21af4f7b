"""The API with the real Claude CLI: a complete conversation of an API client."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
    Turn,
)
from tests.support.clients.json_client import connected, texts
from tests.support.environment import PASSWORD, USER, Sandbox, processes_of, until
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)


def _made(request: Request) -> Turn:
    result = request.last_tool_result
    return (Text("Then not." if result is None or result.is_error else "It is made."),)


@pytest.fixture(scope="module")
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture(scope="module")
def server(
    claude: Path, gate: threading.Event, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    scenes = (
        Scene("make", "make", [ToolUse("Bash", {"command": "echo made > made.txt"}), _made]),
        Scene("hold", "hold", [Text("one two three four five", gate=gate)]),
        Scene("anything", "", [lambda request: (Text(f"You said: {request.prompt}"),)]),
    )
    sandbox = Sandbox(tmp_path_factory.mktemp("real") / "home").make()
    with MessagesApi(scenes) as api:
        server = Server(sandbox, claude, api.url)
        try:
            yield server.start()
        finally:
            gate.set()
            server.close()


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    return server.sandbox


def test_a_program_prompts_allows_and_goes_on_over_one_socket(
    server: Server, sandbox: Sandbox
) -> None:
    session_id = str(uuid.uuid4())
    with connected(server) as client:
        client.send(
            command_type="execute",
            project_path=str(sandbox.project),
            prompt="make it",
            session_id=session_id,
        )
        ask = client.until("permission_request")
        assert ask["tool_name"] == "Bash"
        assert not (sandbox.project / "made.txt").exists()
        client.send(command_type="permission", request_id=ask["request_id"], decision="allow")
        assert client.until("completion")["status"] == "success"
        assert (sandbox.project / "made.txt").read_text() == "made\n"
        client.send(command_type="prompt", prompt="and then?")
        client.until("completion")
        assert client.said() == ["It is made.", "You said: and then?"]
        of_claude = {json.loads(line).get("session_id") for line in client.lines()} - {None}
        assert of_claude == {session_id}, "the client's id is Claude's own"


def test_a_session_that_was_ended_is_resumed_with_all_that_was_said(
    server: Server, sandbox: Sandbox
) -> None:
    def post(verb: str, prompt: str, **more: str) -> dict[str, str]:
        body = {"project_path": str(sandbox.project), "prompt": prompt, **more}
        answer = requests.post(
            f"{server.url}/api/sessions/{verb}", json=body, auth=(USER, PASSWORD), timeout=30
        )
        assert answer.status_code == 202, answer.text
        data: dict[str, str] = answer.json()["data"]
        return data

    def said() -> list[str]:
        data = server.get(f"/api/sessions/{session_id}/output").json()["data"]
        return texts([line["content"] for line in data["lines"] if line["stream"] == "stdout"])

    session_id = post("execute", "apples")["session_id"]
    until(lambda: said() == ["You said: apples"], "the answer")
    server.get(f"/api/sessions/{session_id}/cancel")
    assert processes_of(sandbox.state) == [] or session_id not in {
        run["session_id"] for run in server.get("/api/sessions/running").json()["data"]
    }
    assert post("resume", "pears", session_id=session_id)["session_id"] == session_id
    until(lambda: said() == ["You said: apples", "You said: pears"], "both answers")


def test_cancel_in_mid_answer_leaves_no_process(
    server: Server, sandbox: Sandbox, gate: threading.Event
) -> None:
    with connected(server) as client:
        client.send(command_type="execute", project_path=str(sandbox.project), prompt="hold it")
        started = client.until("start")
        client.until(lambda message: "text_delta" in message.get("content", ""))
        client.send(command_type="cancel")
        client.until("cancelled")
        assert client.until("completion")["status"] == "cancelled"
    assert processes_of(sandbox.state, started["run_id"]) == []
