"""The open WebSockets: their compression, their number, and how they are closed.

The other side sees from the close code whether to reconnect.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

import gevent
from flask import Flask, request

from opcode_htmx.web.auth.gate import LOGGED_OUT, is_websocket
from opcode_htmx.web.websocket.connection import LINGER_SECONDS, WebSocketConnection

if TYPE_CHECKING:  # imported with the first socket, see router.py
    from simple_websocket import Server

NORMAL = 1000
SERVICE_RESTART = 1012
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
MAX_MESSAGE_BYTES = 1024 * 1024
"""The size of a client's message: a prompt of 200,000 characters fits in, as JSON."""

COMPRESSED = 64
"""With so many open sockets, a further one is not offered compression: it takes 300 KB of memory
for each, and every message is compressed for each of them separately."""

CLOSE_SECONDS = 1.0
"""How long each socket may take for its closing handshake, when all are closed."""

REQUEST_SECONDS = 120.0
"""How long the client of a request without a WebSocket may send, or read, nothing."""

_FINAL_TEXT = 0x81
_EXTENSIONS = "HTTP_SEC_WEBSOCKET_EXTENSIONS"


class OpenSockets:
    """The sockets that are open, to close them when the server stops or their login ends."""

    def __init__(self, patience: float, most: int = 0) -> None:
        """`patience`: seconds for which a page may read nothing before its socket is closed.

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
        """Raises ConnectionClosed if there are too many already, after closing with 1013."""
        if self._most and len(self._open) >= self._most:
            words = f"{self._most} connections are open, and no more may be (OPCODE_MAX_VIEWERS)."
            _close_and_wait(ws, TRY_AGAIN_LATER, words)
            from simple_websocket import ConnectionClosed

            raise ConnectionClosed(TRY_AGAIN_LATER, words)
        self._open[ws] = login
        if isinstance(ws.sock, WebSocketConnection):
            ws.sock.unread = ws.input_buffer

    def remove(self, ws: Server, code: int = NORMAL) -> None:
        """Close it, if it is open, and wait until the other side has confirmed, or seems gone."""
        self._open.pop(ws, None)
        _close_and_wait(ws, code)

    def logins(self) -> set[str]:
        """The ids of the logins of open sockets; "" for those that sent HTTP Basic."""
        return set(self._open.values())

    def close_of(self, login: str) -> None:
        """Close all sockets of a login that has ended, so that they do not reconnect."""
        ended = [ws for ws, of in self._open.items() if of == login]
        _close_each(ended, POLICY_VIOLATION, LOGGED_OUT)

    def close_all(self) -> None:
        """Close all with 1012: pages reconnect at once."""
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
    """An unmasked frame with a whole text message (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((_FINAL_TEXT, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class TextFrame:
    """A message for many clients: in memory once, as the frame that most of them get."""

    __slots__ = ("__weakref__", "_head", "frame")

    def __init__(self, payload: bytes) -> None:
        self.frame = text_frame(payload)
        self._head = len(self.frame) - len(payload)

    @property
    def text(self) -> str:
        return self.frame[self._head :].decode()


def send_text(ws: Server, message: TextFrame) -> None:
    """Raises ConnectionClosed."""
    from simple_websocket import ConnectionClosed

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
    """Let a program read as slowly as it likes; only one whose machine is gone is dropped."""
    if isinstance(ws.sock, WebSocketConnection):
        with contextlib.suppress(OSError):  # closed since its handshake: the next read fails
            ws.sock.be_patient()


def close(ws: Server, code: int, reason: str | None = None) -> None:
    """Close with `code`; a socket that is closed already stays so."""
    from simple_websocket import ConnectionClosed

    with contextlib.suppress(ConnectionClosed, OSError):
        ws.close(code, reason)


def _close_and_wait(ws: Server, code: int, reason: str | None = None) -> None:
    close(ws, code, reason)
    ws.thread.join(LINGER_SECONDS)


def _close_each(sockets: Iterable[Server], code: int, reason: str | None = None) -> None:
    """Close them concurrently: one whose peer reads nothing delays no other."""
    closing = {gevent.spawn(close, ws, code, reason): ws for ws in list(sockets)}
    gevent.joinall(list(closing), timeout=CLOSE_SECONDS)
    for greenlet, ws in closing.items():
        if not greenlet.ready():
            greenlet.kill(block=False)
            ws.sock.abort()
