"""The API with the real Claude CLI: a complete conversation of an API client."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
    Turn,
)
from tests.support.clients.json_client import connected
from tests.support.environment import Sandbox
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)


def _made(request: Request) -> Turn:
    result = request.last_tool_result
    return (Text("Then not." if result is None or result.is_error else "It is made."),)


@pytest.fixture(scope="module")
def server(claude: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    scenes = (
        Scene("make", "make", [ToolUse("Bash", {"command": "echo made > made.txt"}), _made]),
        Scene("anything", "", [lambda request: (Text(f"You said: {request.prompt}"),)]),
    )
    sandbox = Sandbox(tmp_path_factory.mktemp("real") / "home").make()
    with MessagesApi(scenes) as api:
        server = Server(sandbox, claude, api.url)
        try:
            yield server.start()
        finally:
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
