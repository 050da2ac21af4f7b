"""WebSockets that send whole frames and close so that the other side comes back.

simple-websocket writes with `send`, which cuts a frame when the peer reads slowly, and from two
threads at once. Here a frame is written whole, one at a time.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Any

from flask import Flask, request
from gevent.lock import BoundedSemaphore
from simple_websocket import ConnectionClosed, Server

from .access import is_websocket

SERVICE_RESTART = 1012
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
MAX_MESSAGE_BYTES = 1024 * 1024
"""Of what a client sends: a prompt of 200,000 characters, written as JSON, fits in."""
DEAD_PEER_MS = 60_000
"""How long the kernel may try to reach a phone that is gone before the socket is closed."""

COMPRESSED = 64
"""Sockets that may be open before a further one is not offered compression: it takes 300 KB of
memory for each, and every message has to be compressed for each of them alone."""

KEEPALIVE_SECONDS = 15
"""How often the kernel asks whether a silent program's machine is still there."""

_FINAL_TEXT = 0x81
_EXTENSIONS = "HTTP_SEC_WEBSOCKET_EXTENSIONS"


class WholeFrameSocket:
    """A socket whose `send` sends everything, and never in the middle of another one's."""

    def __init__(self, inner: socket.socket, *, compresses: bool) -> None:
        """`compresses`: whether the two sides may have agreed upon compression."""
        self.compresses = compresses
        self._inner = inner
        self._lock = BoundedSemaphore(1)

    def send(self, data: bytes) -> int:
        with self._lock:
            # Almost always this is all; sendall would first ask the kernel how much fits in
            sent = self._inner.send(data)
            if sent < len(data):
                self._inner.sendall(memoryview(data)[sent:])
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class OpenSockets:
    """The sockets that are open, to close them when the server stops or their login ends."""

    def __init__(self) -> None:
        self._open: dict[Server, str] = {}

    def init_app(self, app: Flask) -> None:
        app.config["SOCK_SERVER_OPTIONS"] = {"max_message_size": MAX_MESSAGE_BYTES}
        app.before_request(self._make_whole)
        app.extensions["opcode_shutdown"] = self.close_all
        app.extensions["opcode_logout"] = self.close_of

    def add(self, ws: Server, login: str) -> None:
        self._open[ws] = login

    def remove(self, ws: Server) -> None:
        self._open.pop(ws, None)

    def close_of(self, login: str) -> None:
        """Cut off all pages of a login that has ended; to come back would not help them."""
        for ws, of in list(self._open.items()):
            if of == login:
                close(ws, POLICY_VIOLATION)

    def close_all(self) -> None:
        """Send everyone away with 1012: browsers take it as "come back at once"."""
        for ws in list(self._open):
            close(ws, SERVICE_RESTART)

    def _make_whole(self) -> None:
        inner = request.environ.get("gunicorn.socket")
        if inner is None or not is_websocket():
            return
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
        if len(self._open) >= COMPRESSED:
            request.environ.pop(_EXTENSIONS, None)
        compresses = _EXTENSIONS in request.environ
        request.environ["gunicorn.socket"] = WholeFrameSocket(inner, compresses=compresses)


def text_frame(payload: bytes) -> bytes:
    """An unmasked frame with the whole of a text message, as RFC 6455 (5.2) has it."""
    size = len(payload)
    if size < 126:
        return bytes((_FINAL_TEXT, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def send_text(ws: Server, text: str, frame: bytes) -> None:
    """Send a message of which `frame` is the finished frame. Raises ConnectionClosed."""
    try:
        if ws.sock.compresses:
            ws.send(text)
        elif ws.connected:
            ws.sock.send(frame)
        else:
            raise ConnectionClosed(ws.close_reason, ws.close_message)
    except OSError as error:
        raise ConnectionClosed from error


def be_patient(ws: Server) -> None:
    """Let a program read as slowly as it likes; only one whose machine is gone is given up."""
    inner = ws.sock
    if not isinstance(inner, WholeFrameSocket):
        return
    inner.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        # It would count the time in which a program that lives has no room for more
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


def close(ws: Server, code: int) -> None:
    """Close with `code`; a socket that is closed already stays so."""
    with contextlib.suppress(ConnectionClosed, OSError):
        ws.close(code)
