"""Hostile frames and requests without an end affect no other client."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest

from opcode_htmx.web.websocket.registry import MAX_MESSAGE_BYTES
from tests.features.session_page.test_live_updates import begin
from tests.support.clients.raw_socket import BINARY, CONTINUATION, PING, TEXT, RawSocket
from tests.support.environment import Sandbox
from tests.support.server import Server
from tests.web.websocket.hostile.counting_server import SECONDS_OF_NOISE, CountingServer, Open

# --- hostile --------------------------------------------------------------------------------

TOO_LARGE = b"x" * (MAX_MESSAGE_BYTES + 1)

FRAMES = {
    "a frame without a mask": (1002, [(TEXT, b"{}", 0x80, 0)]),
    "an opcode that there is not": (1002, [(5, b"", 0x80, 1)]),
    "reserved bits": (1002, [(TEXT, b"{}", 0xF0, 1)]),
    "a continuation of nothing": (1002, [(CONTINUATION, b"{}", 0x80, 1)]),
    "a message within a message": (1002, [(TEXT, b"{", 0, 1), (TEXT, b"}", 0x80, 1)]),
    "a ping in pieces": (1002, [(PING, b"", 0, 1)]),
    "a ping that is too long": (1002, [(PING, b"x" * 126, 0x80, 1)]),
    "text that is no UTF-8": (1007, [(TEXT, b"\xff\xfe", 0x80, 1)]),
    "a message that is too large": (1009, [(TEXT, TOO_LARGE, 0x80, 1)]),
    "the same in pieces": (
        1009,
        [(TEXT, TOO_LARGE[:-9], 0, 1), (CONTINUATION, TOO_LARGE[:99], 0x80, 1)],
    ),
}


@pytest.mark.parametrize("which", ["page", "commands", "chat"])
def test_invalid_frames_close_the_socket_with_the_right_code(
    raw: Open, sockets: dict[str, str], which: str
) -> None:
    closed = {}
    for name, (_, sent) in FRAMES.items():
        hostile, other = raw(sockets[which]), raw(sockets["page"])
        hostile.frame()
        for opcode, payload, first, mask in sent:
            hostile.send(opcode, payload, first=first, mask=mask)
        closed[name] = hostile.close_code()
        other.until("block-text")
    assert closed == {name: code for name, (code, _) in FRAMES.items()}


@pytest.mark.parametrize("which", ["commands", "chat"])
def test_binary_message_is_read_as_text(raw: Open, sockets: dict[str, str], which: str) -> None:
    program = raw(sockets[which])
    if which == "commands":
        program.send(TEXT, json.dumps({"command_type": "explode"}).encode())
        program.until("must be one of")
    program.send(BINARY, b"\xff\xfe")
    program.until("This is not JSON")


def test_frame_flood_delays_no_other_client(
    server: CountingServer, raw: Open, sockets: dict[str, str]
) -> None:
    hostile = raw(sockets["page"])
    ping = b"\x89\x80\0\0\0\0"
    hostile.socket.setblocking(False)
    waited = []
    end = time.monotonic() + 1
    while time.monotonic() < end:
        try:
            for _ in range(20):
                hostile.socket.send(ping * 10_000)
        except BlockingIOError:
            pass
        began = time.monotonic()
        assert server.get("/healthz").ok
        waited.append(time.monotonic() - began)
    assert sorted(waited)[len(waited) // 2] < 1.0


# --- requests that do not come to their end -------------------------------------------------


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nuser=",
    ],
    ids=["headers", "body"],
)
def test_endless_requests_delay_no_other_client(server: CountingServer, begun: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            slow.sendall(begun)
        began = time.monotonic()
        for _ in range(3):
            assert server.get("/healthz").ok
        assert time.monotonic() - began < SECONDS_OF_NOISE


def test_shutdown_does_not_wait_for_frozen_viewers(
    stand_in: Path, start_server: Callable[..., Server], sandbox: Sandbox, tmp_path: Path
) -> None:
    server = start_server(sandbox, stand_in)
    steps: list[list[object]] = [["wait", str(tmp_path / "gate")], *[["big", 400_000]] * 20]
    path = begin(server, [*steps, ["text", "the end"]])
    with (
        closing(RawSocket(server, f"{path}/live", receive_buffer=4096)),
        closing(RawSocket(server, f"{path}/live")) as well,
    ):
        (tmp_path / "gate").touch()
        well.until(">the end</p>")
        began = time.monotonic()
        psutil.Process(server.pid).terminate()
        assert well.close_code() == 1012
        assert time.monotonic() - began < SECONDS_OF_NOISE
        assert server.stop() == 0
