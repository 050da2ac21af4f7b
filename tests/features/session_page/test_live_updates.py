"""The page's socket as a browser uses it: access, messages and close codes."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import struct
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from opcode_htmx.web.websocket.registry import MAX_MESSAGE_BYTES
from tests.support.environment import PASSWORD, USER, until
from tests.support.server import Server

CURSOR = re.compile(r'id="cursor" value="([^"]+)"')


class Viewer:
    """A socket at a session's page, and the messages received."""

    def __init__(self, server: Server, path: str, cursor: str = "", **options: Any) -> None:
        url = server.url.replace("http", "ws", 1) + f"{path}/live?cursor={cursor}"
        given = {"cookie": cookie(server), "origin": server.url, "timeout": 30, **options}
        # That check goes byte by byte; decoding a message checks it as well.
        self.ws: Any = websocket.create_connection(url, skip_utf8_validation=True, **given)
        self.cursor = cursor
        self.messages: list[str] = []

    def receive(self) -> str:
        message = self.ws.recv()
        assert isinstance(message, str)
        self.messages.append(message)
        if found := CURSOR.search(message):
            self.cursor = found[1]
        return message

    def until(self, text: str) -> str:
        """Read until a message holds `text`; that message."""
        while text not in (message := self.receive()):
            pass
        return message

    def close_code(self) -> int:
        """Read to the close frame, and give its code."""
        while True:
            opcode, data = self.ws.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code: int = struct.unpack("!H", data[:2])[0]
                return code


def cookie(server: Server) -> str:
    return "; ".join(f"{c.name}={c.value}" for c in server.get("/new").cookies)


def begin(server: Server, steps: list[list[object]] | str) -> str:
    """Start a session whose stand-in follows `steps`; the path of its page."""
    prompt = steps if isinstance(steps, str) else json.dumps(steps)
    form = {
        "folder": str(server.sandbox.project),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
        "prompt": prompt,
    }
    response = server.post("/sessions", form)
    assert response.status_code == 303, response.text
    return response.headers["Location"].removesuffix("#end")


View = Callable[..., Viewer]


@pytest.fixture
def view() -> Iterator[View]:
    """Opens viewers, and closes them at the end."""
    opened: list[Viewer] = []

    def open_(server: Server, path: str, cursor: str = "", **options: Any) -> Viewer:
        opened.append(Viewer(server, path, cursor, **options))
        return opened[-1]

    yield open_
    for viewer in opened:
        viewer.ws.shutdown()


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    yield shared_server
    shared_server.ensure_started()


@pytest.fixture(scope="module")
def hello(shared_server: Server) -> str:
    """The page of a session for tests that change nothing of it."""
    return begin(shared_server, "hello")


def test_a_socket_opens_with_the_cookie_and_the_own_origin(
    server: Server, view: View, hello: str
) -> None:
    viewer = view(server, hello)
    assert "hello" in viewer.until("block-text")


def test_a_socket_opens_with_basic_credentials_for_programs_that_send_no_origin(
    server: Server, view: View, hello: str
) -> None:
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    viewer = view(
        server,
        hello,
        cookie=None,
        origin=None,
        suppress_origin=True,
        header=[f"Authorization: Basic {token}"],
    )
    assert "hello" in viewer.until("block-text")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Cookie": None}, 401),
        ({"Cookie": "opcode=forged"}, 401),
    ],
)
def test_a_socket_does_not_open_for_strangers(
    server: Server, hello: str, changes: dict[str, str | None], status: int
) -> None:
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Origin": server.url,
        "Cookie": cookie(server),
        **changes,
    }
    handshake = {name: value for name, value in headers.items() if value is not None}
    response = requests.get(f"{server.url}{hello}/live", headers=handshake, timeout=20)
    assert response.status_code == status


def test_a_session_that_does_not_exist_closes_the_socket(
    server: Server, view: View, hello: str
) -> None:
    project = hello.split("/sessions/")[0]
    viewer = view(server, f"{project}/sessions/{uuid.uuid4()}")
    assert viewer.close_code() == 1008


def test_viewer_receives_only_changes_after_its_cursor(
    server: Server, view: View, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    path = begin(server, [["text", "first"], ["wait", str(gate)], ["text", "second"]])
    early = view(server, path)
    early.until(">first</p>")
    early.ws.close()
    gate.touch()
    later = view(server, path, early.cursor)
    later.until(">second</p>")
    assert "first" not in "".join(later.messages).replace("first&#34;", "")
    fresh = view(server, path)
    fresh.until(">second</p>")
    assert ">first</p>" in "".join(fresh.messages)


def test_sessions_side_by_side_never_mix(server: Server, view: View, tmp_path: Path) -> None:
    gate, words = tmp_path / "gate", ["quince", "medlar"]
    paths = [
        begin(server, [["text", f"first {each}"], ["wait", str(gate)], ["text", f"then {each}"]])
        for each in words
    ]
    viewers = [view(server, path) for path in paths]
    for viewer, word in zip(viewers, words, strict=True):
        viewer.until(f">first {word}</p>")
    gate.touch()
    for viewer, path, word, other in zip(viewers, paths, words, words[::-1], strict=True):
        viewer.until(f">then {word}</p>")
        assert other not in "".join(viewer.messages)
        assert other not in server.get(path).text


def test_invalid_cursor_brings_everything(server: Server, view: View, hello: str) -> None:
    viewer = view(server, hello, "no-cursor")
    viewer.until("block-text")


def test_a_cursor_means_the_same_to_the_next_server(
    server: Server, view: View, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    path = begin(server, [["lines", 50], ["wait", str(gate)], ["text", "after the restart"]])
    viewer = view(server, path)
    viewer.until("line 49")
    server.kill()
    server.start()
    gate.touch()
    later = view(server, path, viewer.cursor)
    later.until(">after the restart</p>")
    assert "line 4" not in "".join(later.messages)


def test_stopping_server_closes_its_sockets_with_1012_and_leaves_the_run(
    server: Server, view: View, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    path = begin(server, [["text", "begun"], ["wait", str(gate)], ["text", "ended well"]])
    viewer = view(server, path)
    viewer.until(">begun</p>")
    os.kill(server.pid, 15)
    assert viewer.close_code() == 1012
    assert server.stop() == 0
    gate.touch()
    server.start()
    view(server, path).until(">ended well</p>")


def test_slow_viewer_loses_nothing_and_delays_no_other(server: Server, view: View) -> None:
    path = begin(server, [["lines", 3000], ["big", 2_000_000], ["text", "the end"]])
    slow = view(server, path, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    quick = view(server, path)
    quick.until(">the end</p>")
    slow.until(">the end</p>")  # whole frames: a cut one would be no UTF-8 text or never end
    for number in (0, 1500, 2999):
        assert f">line {number}</p>" in "".join(slow.messages)


@pytest.mark.parametrize("frame", [b"\x00" * 40, b"\xff\xff\xff\xff", b"\x81\xff" + b"\xff" * 8])
def test_invalid_frames_close_that_socket_only(
    server: Server, view: View, hello: str, frame: bytes
) -> None:
    hostile, other = view(server, hello), view(server, hello)
    hostile.ws.sock.sendall(frame)
    other.until("block-text")
    assert server.get("/healthz").ok
    until(lambda: view(server, hello).until("hello"), "others still come in")


def test_messages_sent_by_a_page_are_ignored(server: Server, view: View, hello: str) -> None:
    viewer = view(server, hello)
    viewer.ws.send(json.dumps({"prompt": "from the socket"}))
    viewer.until("block-text")
    assert "from the socket" not in "".join(viewer.messages)


def test_a_message_that_is_too_large_ends_the_socket(
    server: Server, view: View, hello: str
) -> None:
    viewer = view(server, hello)
    viewer.until("block-text")
    with contextlib.suppress(ConnectionError):  # the rest of the message is not read
        viewer.ws.send("x" * (MAX_MESSAGE_BYTES + 1))
        assert viewer.close_code() == 1009
    assert server.get("/healthz").ok


def test_unread_prompt_is_shown_after_a_restart(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    path = begin(server, [["wait", str(gate)], ["exit", 3]])
    left_over = {"prompt": "do not lose me", "prompt_id": str(uuid.uuid4())}
    assert server.post(f"{path}/prompt", left_over).status_code == 303
    gate.touch()
    until(lambda: "exit status 3" in server.get(path).text, "the run has failed")
    for _ in range(2):
        page = server.get(path).text
        assert "Was not taken up" in page
        assert "do not lose me" in page
        server.kill()
        server.start()
