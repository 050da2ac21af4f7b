"""A bad command on /ws/claude is answered with a sentence, and the socket stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.sockets.claude.commands import execute
from tests.support.clients.json_client import JsonClient
from tests.support.environment import Sandbox


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"command_type": "explode"}, "must be one of"),
        ({"command_type": "execute", "prompt": "x"}, "“project_path” is missing"),
        ({"command_type": "execute", "project_path": "/", "prompt": ""}, "“prompt”"),
        ({"command_type": "cancel"}, "Name the session"),
        ({"command_type": "cancel", "session_id": "../../etc"}, "“session_id”"),
        ({"command_type": "execute", "project_path": "/", "prompt": "x", "promt": "y"}, "promt"),
        (
            {"command_type": "execute", "project_path": "/nowhere", "prompt": "x"},
            "outside the folders",
        ),
        (
            {"command_type": "execute", "project_path": "~", "prompt": "x", "model": "--help"},
            "“model”",
        ),
        (
            {
                "command_type": "execute",
                "project_path": "~",
                "prompt": "x",
                "permission_mode": "bypassPermissions",
            },
            "OPCODE_ALLOW_BYPASS",
        ),
        (
            {"command_type": "attach", "session_id": "00000000-0000-4000-8000-000000000000"},
            "no session with this id",
        ),
    ],
)
def test_a_bad_command_is_answered_with_a_sentence_and_the_socket_stays(
    client: JsonClient, sandbox: Sandbox, message: dict[str, Any], words: str
) -> None:
    client.send(**message)
    assert words in client.until("error")["message"]
    execute(client, sandbox, "hello")
    client.until("completion")
    assert not list(Path("/").glob("nowhere"))


@pytest.mark.parametrize(
    "message",
    [
        '{"command_type": "\\ud800"}',
        '{"command_type": "cancel", "session_id": "\\ud800"}',
        '{"command_type": "prompt", "prompt_id": NaN}',
        '{"command_type": "prompt", "prompt_id": 1e999}',
        '{"command_type": "cancel", "session_id": ' + "[" * 900 + "]" * 900 + "}",
        '{"command_type": "cancel", "\\u001b[31m\\ud800": 1}',
    ],
)
def test_unreadable_input_is_not_echoed(client: JsonClient, message: str) -> None:
    """It would end the socket, or come as something that is no JSON."""
    client.send(command_type="explode")
    client.until("error")
    client.ws.send(message)
    text = client.ws.recv()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["message"].endswith(".")


def test_a_cursor_that_was_not_given_out_is_refused(client: JsonClient, sandbox: Sandbox) -> None:
    session_id = execute(client, sandbox, "hello")
    client.until("completion")
    for cursor in ("what", "0" * 32 + ".0.0"):
        client.send(command_type="attach", session_id=session_id, cursor=cursor)
        assert "cursor" in client.until("error")["message"]
