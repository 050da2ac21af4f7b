"""The WebSockets that are open: what they have agreed upon, and how they are closed.

They close so that the other side knows whether to come back.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable

import gevent
from flask import Flask, request
from simple_websocket import ConnectionClosed, Server

from opcode_htmx.web.auth.gate import is_websocket
from opcode_htmx.web.websocket.connection import LINGER_SECONDS, WebSocketConnection

NORMAL = 1000
SERVICE_RESTART = 1012
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
MAX_MESSAGE_BYTES = 1024 * 1024
"""Of what a client sends: a prompt of 200,000 characters, written as JSON, fits in."""

COMPRESSED = 64
"""Sockets that may be open before a further one is not offered compression: it takes 300 KB of
memory for each, and every message has to be compressed for each of them alone."""

CLOSE_SECONDS = 1.0
"""How long a socket may take to say that it closes, when all do."""

REQUEST_SECONDS = 120.0
"""How long a request without a WebSocket may send nothing of its body, or take nothing."""

_FINAL_TEXT = 0x81
_EXTENSIONS = "HTTP_SEC_WEBSOCKET_EXTENSIONS"


class OpenSockets:
    """The sockets that are open, to close them when the server stops or their login ends."""

    def __init__(self, patience: float, most: int = 0) -> None:
        """`patience`: seconds for which a page may take nothing before its socket is closed.

        `most` may be open at once; 0: any number.
        """
        self._patience = patience
        self._open: dict[Server, str] = {}
        self._most = most

    def init_app(self, app: Flask) -> None:
        app.config["SOCK_SERVER_OPTIONS"] = {"max_message_size": MAX_MESSAGE_BYTES}
        app.before_request(self._prepare)
        app.extensions["opcode_shutdown"] = self.close_all

    def add(self, ws: Server, login: str) -> None:
        """Raises ConnectionClosed where there are too many already: it is told to come later."""
        if self._most and len(self._open) >= self._most:
            words = f"{self._most} connections are open, and no more may be (OPCODE_MAX_VIEWERS)."
            _see_off(ws, TRY_AGAIN_LATER, words)
            raise ConnectionClosed(TRY_AGAIN_LATER, words)
        self._open[ws] = login
        if isinstance(ws.sock, WebSocketConnection):
            ws.sock.unread = ws.input_buffer

    def remove(self, ws: Server, code: int = NORMAL) -> None:
        """Close it, if it is open, and wait until the other side has heard of it, or seems gone."""
        self._open.pop(ws, None)
        _see_off(ws, code)

    def logins(self) -> set[str]:
        """The ids of the logins of open sockets; "" for those that sent HTTP Basic."""
        return set(self._open.values())

    def close_of(self, login: str) -> None:
        """Cut off all pages of a login that has ended; to come back would not help them."""
        _close_each([ws for ws, of in self._open.items() if of == login], POLICY_VIOLATION)

    def close_all(self) -> None:
        """Send everyone away with 1012: browsers take it as "come back at once"."""
        _close_each(self._open, SERVICE_RESTART)

    def _prepare(self) -> None:
        inner: socket.socket | None = request.environ.get("gunicorn.socket")
        if inner is None:
            return
        if not is_websocket():
            inner.settimeout(REQUEST_SECONDS)
            return
        if len(self._open) >= COMPRESSED:
            request.environ.pop(_EXTENSIONS, None)
        compresses = _EXTENSIONS in request.environ
        request.environ["gunicorn.socket"] = WebSocketConnection(
            inner, self._patience, compresses=compresses
        )


def text_frame(payload: bytes) -> bytes:
    """An unmasked frame with the whole of a text message, as RFC 6455 (5.2) has it."""
    size = len(payload)
    if size < 126:
        return bytes((_FINAL_TEXT, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class TextFrame:
    """A message that is sent to many: in memory once, as the frame that most of them get."""

    __slots__ = ("_head", "frame")

    def __init__(self, payload: bytes) -> None:
        self.frame = text_frame(payload)
        self._head = len(self.frame) - len(payload)

    @property
    def text(self) -> str:
        return self.frame[self._head :].decode()


def send_text(ws: Server, message: TextFrame) -> None:
    """Raises ConnectionClosed."""
    try:
        if ws.sock.compresses:
            ws.send(message.text)
        elif ws.connected:
            ws.sock.send(message.frame)
        else:
            raise ConnectionClosed(ws.close_reason, ws.close_message)
    except OSError as error:
        raise ConnectionClosed from error


def be_patient(ws: Server) -> None:
    """Let a program read as slowly as it likes; only one whose machine is gone is given up."""
    if isinstance(ws.sock, WebSocketConnection):
        with contextlib.suppress(OSError):  # closed since its handshake: the next read says so
            ws.sock.be_patient()


def close(ws: Server, code: int, reason: str | None = None) -> None:
    """Close with `code`; a socket that is closed already stays so."""
    with contextlib.suppress(ConnectionClosed, OSError):
        ws.close(code, reason)


def _see_off(ws: Server, code: int, reason: str | None = None) -> None:
    close(ws, code, reason)
    ws.thread.join(LINGER_SECONDS)


def _close_each(sockets: Iterable[Server], code: int) -> None:
    """Close them at the same time: one whose other side takes nothing holds up none."""
    closing = {gevent.spawn(close, ws, code): ws for ws in list(sockets)}
    gevent.joinall(list(closing), timeout=CLOSE_SECONDS)
    for greenlet, ws in closing.items():
        if not greenlet.ready():
            greenlet.kill(block=False)
            ws.sock.abort()
