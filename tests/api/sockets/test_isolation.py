"""Many concurrent JSON clients: each receives its own session only, at its own pace."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import PASSWORD, USER, Sandbox
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)

SOCKETS = 8
MANY, LONG = 5_000, 2_000
"""Lines of a run, and letters of each: several times what the buffers between a server and a slow
client hold."""


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_TASK_FOLDER": "~/work/orchard"}


@pytest.fixture
def sandbox(shared_server: Server) -> Sandbox:
    return shared_server.sandbox


def execute(client: JsonClient, sandbox: Sandbox, prompt: str, **more: Any) -> str:
    client.send(command_type="execute", project_path=str(sandbox.project), prompt=prompt, **more)
    session_id: str = client.until("start")["session_id"]
    return session_id


def test_each_of_many_sockets_receives_its_own_session_only(
    server: Server, sandbox: Sandbox
) -> None:
    def converse(number: int) -> None:
        word = f"word-{number}-"
        with connected(server, timeout=90) as client:
            session_id = execute(client, sandbox, word)
            client.until("completion")
            assert client.said() == [word]
            assert {message["session_id"] for message in client.messages[1:]} == {session_id}
            assert all(word in line for line in client.lines() if "word-" in line)

    with ThreadPoolExecutor(SOCKETS) as pool:
        list(pool.map(converse, range(SOCKETS)))


def test_slow_client_gets_every_line_and_delays_no_other(
    server: Server, sandbox: Sandbox, tmp_path: Path
) -> None:
    written = tmp_path / "lines"
    with written.open("w") as file:
        for number in range(MANY):
            content = [{"type": "text", "text": f"{number} {'x' * LONG}"}]
            print(json.dumps({"type": "assistant", "message": {"content": content}}), file=file)
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]

    def numbers(client: JsonClient) -> list[int]:
        return [int(text.partition(" ")[0]) for text in client.said()]

    with (
        connected(server, timeout=60, sockopt=small) as slow,
        connected(server, timeout=60) as fast,
        ThreadPoolExecutor(1) as pool,
    ):
        session_id = execute(slow, sandbox, json.dumps([["copy", str(written)]]))
        fast.send(command_type="attach", session_id=session_id)
        done = pool.submit(fast.until, "completion")
        while not done.done():
            slow.receive()
            wait([done], timeout=0.5)
        read_by_then = len(slow.lines())
        slow.ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        slow.until("completion")
        assert numbers(fast) == list(range(MANY))
        assert numbers(slow) == list(range(MANY))
        assert read_by_then < MANY / 100


# --- frames that no client should send ------------------------------------------------------


def masked(first_byte: int, payload: bytes, *, mask: bool = True) -> bytes:
    """A frame as a client writes it; its payload must be shorter than 126 bytes."""
    if not mask:
        return bytes((first_byte, len(payload))) + payload
    key = os.urandom(4)
    hidden = bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
    return bytes((first_byte, 0x80 | len(payload))) + key + hidden


PATHS = ["/ws/claude", "chat"]


def path_of(server: Server, name: str) -> str:
    if name != "chat":
        return name
    made = requests.post(
        f"{server.url}/api/claude/sessions", json={}, auth=(USER, PASSWORD), timeout=20
    )
    return str(made.json()["data"]["links"]["chat"])


@pytest.mark.parametrize("where", PATHS)
def test_a_message_that_is_too_long_closes_its_socket_with_1009(server: Server, where: str) -> None:
    with connected(server, path_of(server, where)) as client:
        client.ws.send("x" * (1024 * 1024 + 1))
        assert client.close_code() == 1009


@pytest.mark.parametrize("where", PATHS)
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(masked(0x81, b"{}", mask=False), id="unmasked"),
        pytest.param(masked(0x83, b"{}"), id="an opcode that is none"),
        pytest.param(masked(0xF1, b"{}"), id="reserved bits"),
        pytest.param(masked(0x81, b"\xff\xfe"), id="no UTF-8"),
        pytest.param(masked(0x80, b"{}"), id="a continuation of nothing"),
    ],
)
def test_malformed_frame_closes_its_socket_only(server: Server, where: str, frame: bytes) -> None:
    with connected(server) as other, connected(server, path_of(server, where)) as client:
        client.ws.sock.sendall(frame)
        client.ws.settimeout(30)
        with pytest.raises((websocket.WebSocketException, OSError)) as raised:
            while True:
                opcode, _ = client.ws.recv_data(control_frame=True)
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    raise websocket.WebSocketConnectionClosedException
        assert not isinstance(raised.value, websocket.WebSocketTimeoutException)
        other.send(command_type="none")
        assert "must be one of" in other.until("error")["message"]


def test_a_message_in_bytes_or_in_many_frames_is_one_message(
    server: Server, sandbox: Sandbox
) -> None:
    command = {"command_type": "execute", "project_path": str(sandbox.project), "prompt": "hello"}
    text = json.dumps(command).encode()
    with connected(server) as client:
        client.ws.send_binary(text)
        client.until("completion")
    with connected(server) as client:
        pieces = [text[:9], text[9:40], text[40:]]
        for place, piece in enumerate(pieces):
            last = place == len(pieces) - 1
            frame = websocket.ABNF.create_frame(piece, 0 if place else 1, int(last))
            client.ws.send_frame(frame)
        client.until("completion")
        assert client.said() == ["hello"]
