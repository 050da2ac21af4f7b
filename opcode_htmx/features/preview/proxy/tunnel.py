"""Pass a WebSocket through: the handshake with rewritten headers, then every byte, both ways."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import Any

import gevent

from opcode_htmx.features.preview.proxy import headers, upstream
from opcode_htmx.features.preview.proxy.headers import Headers, Place
from opcode_htmx.features.preview.proxy.open_exchanges import OpenExchange, OpenExchanges
from opcode_htmx.features.preview.proxy.upstream import Unanswered
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.processes.listening import Listener
from opcode_htmx.web.websocket.connection import keep_alive

HANDSHAKE_SECONDS = 30.0
WRITE_SECONDS = 60.0
"""How long one side may read nothing of what the other has sent."""
PIECE = 64 * 1024
LONGEST_HEAD = 64 * 1024

_STATUS = late_pattern(rb"HTTP/1\.[01] ([0-9]{3})(?: .*)?")


def serve(
    environ: Mapping[str, Any],
    listener: Listener,
    target: str,
    place: Place,
    among: OpenExchanges,
    exchange: OpenExchange,
) -> None:
    """Pass frames until one side ends. Raises Unanswered, before anything was sent, or TooMany."""
    browser: socket.socket = environ["gunicorn.socket"]
    with among.opened(exchange):
        server = exchange.server = upstream.connect(listener)
        try:
            answered, rest = _handshake(server, environ, target, place)
            browser.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_alive(browser)
            browser.settimeout(None)
            server.settimeout(None)
            browser.sendall(_head("HTTP/1.1 101 Switching Protocols", answered) + rest)
            pumps = [
                gevent.spawn(_pump, server, browser),
                gevent.spawn(_pump, browser, server),
            ]
            try:
                gevent.joinall(pumps, count=1)
                exchange.abort()
                gevent.joinall(pumps, timeout=WRITE_SECONDS)
            finally:
                gevent.killall(pumps, block=False)
        except OSError:
            return
        finally:
            server.close()


def _handshake(
    server: socket.socket, environ: Mapping[str, Any], target: str, place: Place
) -> tuple[Headers, bytes]:
    """The headers of the answer for the browser, and the first frames if they have arrived."""
    sent = [*headers.for_server(environ, place), ("Connection", "Upgrade")]
    request = _head(f"GET {target} HTTP/1.1", [*sent, ("Upgrade", "websocket")])
    data = b""
    try:
        with gevent.Timeout(HANDSHAKE_SECONDS, TimeoutError()):
            server.sendall(request)
            while b"\r\n\r\n" not in data and len(data) <= LONGEST_HEAD:
                piece = server.recv(PIECE)
                if not piece:
                    break
                data += piece
    except OSError:
        data = b""
    head, end, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if not end or not status or status[1] != b"101":
        code = status[1].decode() if end and status else "nothing"
        raise Unanswered(f"Port {place.server_port} answered a WebSocket with {code}.")
    pairs = (line.decode("latin-1").partition(":") for line in lines)
    answered = headers.for_browser(((name, value) for name, _, value in pairs), place)
    kept = [
        each for each in answered if each[0].lower().startswith(("sec-websocket", "set-cookie"))
    ]
    return [("Connection", "Upgrade"), ("Upgrade", "websocket"), *kept], rest


def _head(first: str, pairs: Headers) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in pairs)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass what one side sends, until it ends, or the other does not take it in time."""
    slicer = TimeSlicer()
    with contextlib.suppress(OSError):
        while data := source.recv(PIECE):
            with gevent.Timeout(WRITE_SECONDS, TimeoutError()):
                target.sendall(data)
            slicer.step()
