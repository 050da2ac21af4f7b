"""Chats with the real CLI."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, Thinking, ToolUse
from opcode_htmx.engines.claude.files import sessions
from tests.api.sockets.chat.chats import ask, chat, create, say, words
from tests.support.environment import Sandbox, until
from tests.support.server import Server

SLOW = "It is one two three four five six"


@pytest.fixture(scope="module")
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture(scope="module")
def real(shared_home: Sandbox, claude: Path, gate: threading.Event) -> Iterator[Server]:
    made = ToolUse("Bash", {"command": f"touch {shared_home.project / 'made.txt'}"})
    scenes = (
        Scene("make", "make", [(Thinking("Let me see."), Text("I will."), made), Text("Made.")]),
        Scene("slow", "slow", [Text(SLOW, gate=gate)]),
        Scene("anything", "", [Text("Yes indeed, it is so.")]),
    )
    settings = {
        "OPCODE_TASK_FOLDER": str(shared_home.project),
        "OPCODE_PERMISSION_MODE": "default",
        "OPCODE_ASK_AHEAD": "0",
    }
    with MessagesApi(scenes) as api:
        server = Server(shared_home, claude, api.url, **settings)
        try:
            yield server.start()
        finally:
            gate.set()
            server.close()


def test_real_chat_sends_text_tools_and_questions_once(real: Server) -> None:
    sandbox = real.sandbox
    session_id = create(real, title="Plums")
    with chat(real, session_id) as client:
        say(client, "make it")
        request = client.until("permission_request")
        client.send(type="permission_response", requestId=request["requestId"], allow=True)
        client.until("turn_complete")
        assert words(client.messages, "thinking_delta") == "Let me see."
        assert words(client.messages) == "I will.Made."
        assert len(client.of_type("text_delta")) > 2, "in pieces"
        [use], [result] = client.of_type("tool_use"), client.of_type("tool_result")
        assert (use["name"], use["toolUseId"]) == ("Bash", result["toolUseId"])
        assert result["isError"] is False
        assert (sandbox.project / "made.txt").exists()
        [resolved] = client.of_type("permission_resolved")
        assert (resolved["requestId"], resolved["allow"]) == (request["requestId"], True)
        assert client.of_type("error") == []
    with chat(real, session_id) as late:
        late.until("turn_complete")
        assert words(late.messages) == "I will.Made."
        assert late.of_type("user_message")[0]["content"] == "make it"
        assert late.of_type("tool_use") == [use]
    history = next(sandbox.config_dir.glob(f"projects/*/{session_id}.jsonl"))
    until(lambda: sessions.name_of(history) == "Plums", "the title is the session's name")


def test_client_joining_in_mid_answer_gets_its_start_and_its_rest(
    real: Server, gate: threading.Event
) -> None:
    session_id = create(real)
    with chat(real, session_id) as one:
        say(one, "slow please")
        one.until("text_delta")
        with chat(real, session_id) as other:
            other.until("text_delta")
            gate.set()
            for client in (one, other):
                client.until("turn_complete")
                assert words(client.messages) == SLOW


def test_a_session_from_a_terminal_can_be_chatted_with_and_exported(
    real: Server, claude: Path
) -> None:
    sandbox, session_id = real.sandbox, str(uuid.uuid4())
    subprocess.run(
        [claude, "-p", "--session-id", session_id, "Is it so?"],
        cwd=sandbox.project,
        env=sandbox.environment(real.api_url),
        check=True,
        capture_output=True,
        timeout=60,
    )
    with chat(real, session_id) as client:
        assert client.until("user_message")["content"] == "Is it so?"
        assert client.until("text_delta")["content"] == "Yes indeed, it is so."
        say(client, "And this?")
        client.until("turn_complete")
        assert words(client.messages) == "Yes indeed, it is so." * 2
    assert ask(real, "DELETE", f"/{session_id}").status_code == 200
    for format_, type_ in (
        ("md", "text/markdown"),
        ("html", "text/html"),
        ("jsonl", "application/x-ndjson"),
    ):
        response = ask(real, "GET", f"/{session_id}/export?format={format_}")
        assert response.headers["Content-Type"].startswith(type_)
        assert response.text.count("Yes indeed, it is so.") >= 2
        assert f".{format_}" in response.headers["Content-Disposition"]
