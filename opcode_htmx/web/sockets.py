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
TRY_AGAIN_LATER = 1013
MAX_MESSAGE_BYTES = 1024 * 1024
"""Of what a client sends: a prompt of 200,000 characters, written as JSON, fits in."""
DEAD_PEER_MS = 60_000
"""How long the kernel may try to reach a phone that is gone before the socket is closed."""

KEEPALIVE_SECONDS = 15
"""How often the kernel asks whether a silent program's machine is still there."""


class WholeFrameSocket:
    """A socket whose `send` sends everything, and never in the middle of another one's."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self._lock = BoundedSemaphore(1)

    def send(self, data: bytes) -> int:
        with self._lock:
            self._inner.sendall(data)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class OpenSockets:
    """The sockets that are open, to close them when the server stops or their login ends."""

    def __init__(self, most: int = 0) -> None:
        """`most` may be open at once; 0: any number."""
        self._open: dict[Server, str] = {}
        self._most = most

    def init_app(self, app: Flask) -> None:
        app.config["SOCK_SERVER_OPTIONS"] = {"max_message_size": MAX_MESSAGE_BYTES}
        app.before_request(_make_whole)
        app.extensions["opcode_shutdown"] = self.close_all
        app.extensions["opcode_logout"] = self.close_of

    def add(self, ws: Server, login: str) -> None:
        """Raises ConnectionClosed where there are too many already: it is told to come later."""
        if self._most and len(self._open) >= self._most:
            words = f"{self._most} connections are open, and no more may be (OPCODE_MAX_VIEWERS)."
            close(ws, TRY_AGAIN_LATER, words)
            raise ConnectionClosed(TRY_AGAIN_LATER, words)
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


def close(ws: Server, code: int, reason: str | None = None) -> None:
    """Close with `code`; a socket that is closed already stays so."""
    with contextlib.suppress(ConnectionClosed, OSError):
        ws.close(code, reason)


def _make_whole() -> None:
    inner = request.environ.get("gunicorn.socket")
    if inner is None or not is_websocket():
        return
    inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
    request.environ["gunicorn.socket"] = WholeFrameSocket(inner)
