"""Pass one HTTP request to a dev server, and its answer to the browser, piece by piece."""

from __future__ import annotations

import contextlib
import errno
import io
import socket
from collections.abc import Iterable, Iterator
from http.client import (
    BadStatusLine,
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    parse_headers,
)
from typing import IO, TYPE_CHECKING, Any, cast

import gevent

from opcode_htmx.features.preview.proxy import headers, upstream
from opcode_htmx.features.preview.proxy.headers import Place
from opcode_htmx.features.preview.proxy.open_exchanges import OpenExchange, OpenExchanges
from opcode_htmx.features.preview.proxy.upstream import HEAD_SECONDS, Unanswered
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.processes.listening import Listener

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

PIECE = 64 * 1024
BROWSER_SECONDS = 120.0
"""How long the browser may send, or read, nothing of a request."""

_TARGET = late_pattern(r"/[\x21-\x7e]*")
_METHOD = late_pattern(r"[A-Z]{1,20}")
_REASON = late_pattern(r"[^\t\x20-\x7e]")
_SWITCHING_PROTOCOLS = 101


class _Fair(io.RawIOBase):
    """What arrives, without stalling the loop: a flood is read without ever having to wait."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._slicer = TimeSlicer()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._slicer.step()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    """An answer without those before it that are not final, such as 103 Early Hints.

    Passed on as the answer, one of them would leave the browser waiting for the final one, and
    taking the next answer on its connection for that.
    """

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_Fair(self.fp.detach()))

    def _read_status(self) -> tuple[str, int, str]:
        read: Any = super()
        while True:
            version, status, reason = read._read_status()
            if status == _SWITCHING_PROTOCOLS:
                raise BadStatusLine(f"{status} was not asked for")
            if status >= 200:
                return version, status, reason
            parse_headers(self.fp)


class _Connection(HTTPConnection):
    """A connection that is there already."""

    response_class = _Answer

    def connect(self) -> None:
        raise OSError(errno.ENOTCONN, "connected once only")


def target_of(environ: dict[str, Any]) -> str:
    """The path and query as they were sent, from the beginning of the path; empty if unusable."""
    raw = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")
    if "://" in raw.partition("?")[0] and not raw.startswith("/"):  # the absolute form
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    raw = raw.partition("#")[0]
    return raw if _TARGET.fullmatch(raw) else ""


def pass_on(
    environ: dict[str, Any],
    start_response: StartResponse,
    listener: Listener,
    target: str,
    place: Place,
    among: OpenExchanges,
    exchange: OpenExchange,
) -> Iterable[bytes]:
    """Answer the request as the dev server does. Raises Unanswered or TooMany."""
    among.add(exchange)
    connection: HTTPConnection | None = None
    try:
        connection = _Connection(listener.address, listener.port)
        connection.sock = exchange.server = upstream.connect(listener)
        exchange.server.settimeout(HEAD_SECONDS)
        answer = _ask(connection, environ, target, place)
        exchange.server.settimeout(None)  # what follows may be events, hours apart
        found = headers.for_browser(answer.getheaders(), place)
        reason = _REASON.sub("", answer.reason or "")
        start_response(f"{answer.status} {reason}".strip(), found)
    except BaseException:
        _end(connection, exchange, among)
        raise
    lengths = [int(value) for name, value in found if name == "Content-Length"]
    left = lengths[0] if lengths else None
    return _Body(answer, left, environ["REQUEST_METHOD"], connection, exchange, among)


def _end(connection: HTTPConnection | None, exchange: OpenExchange, among: OpenExchanges) -> None:
    among.remove(exchange)
    for each in (connection, exchange.server):
        if each is not None:
            with contextlib.suppress(OSError):
                each.close()


def _ask(
    connection: HTTPConnection, environ: dict[str, Any], target: str, place: Place
) -> HTTPResponse:
    method = str(environ["REQUEST_METHOD"])
    port = place.server_port
    if not _METHOD.fullmatch(method):
        raise Unanswered(f"The method {method!r} cannot be passed on.")
    length = str(environ.get("CONTENT_LENGTH") or "")
    is_chunked = not length and "HTTP_TRANSFER_ENCODING" in environ
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.for_server(environ, place):
            connection.putheader(name, value.encode("latin-1", "replace"))
        connection.putheader("Connection", "close")
        if is_chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif length.isdecimal():
            connection.putheader("Content-Length", length)
        connection.endheaders()
        _send_body(connection, environ["wsgi.input"], length, is_chunked)
        # All of its head: one that comes byte by byte, or never ends, is none
        with gevent.Timeout(HEAD_SECONDS, TimeoutError()):
            answer = connection.getresponse()
    except TimeoutError:
        raise Unanswered(f"What listens on port {port} does not answer.") from None
    except (OSError, HTTPException, ValueError):
        raise Unanswered(f"What listens on port {port} gives no HTTP answer.") from None
    return answer


def _send_body(connection: HTTPConnection, body: IO[bytes], length: str, is_chunked: bool) -> None:
    """Send it as it arrives. A server that answers before it has read all is listened to."""
    slicer = TimeSlicer()
    left = int(length) if length.isdecimal() else 0
    while is_chunked or left > 0:
        slicer.step()
        data = body.read(PIECE if is_chunked else min(PIECE, left))
        if not data:
            break
        left -= len(data)
        try:
            connection.send(b"%x\r\n%b\r\n" % (len(data), data) if is_chunked else data)
        except (BrokenPipeError, ConnectionResetError):
            return
    if is_chunked:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(b"0\r\n\r\n")
    elif left:
        raise ConnectionResetError(errno.ECONNRESET, "the browser has gone")


class _Body:
    """The pieces of an answer. gunicorn calls `close` in any case."""

    def __init__(
        self,
        answer: HTTPResponse,
        left: int | None,
        method: str,
        connection: HTTPConnection,
        exchange: OpenExchange,
        among: OpenExchanges,
    ) -> None:
        self._answer = answer
        self._left = left
        self._has_body = method != "HEAD" and answer.status not in (204, 304)
        self._connection = connection
        self._exchange = exchange
        self._among = among

    def __iter__(self) -> Iterator[bytes]:
        left = self._left
        slicer = TimeSlicer()
        while self._has_body:
            try:
                data = self._answer.read1(PIECE)
            except (OSError, HTTPException, ValueError):
                raise ConnectionResetError(errno.ECONNRESET, "the dev server broke off") from None
            if not data:
                break
            if left is not None:
                left -= len(data)
            yield data
            slicer.step()
        if self._has_body and left:
            # Half of a file must not pass for a whole one
            raise ConnectionResetError(errno.ECONNRESET, "the dev server broke off")

    def close(self) -> None:
        self._answer.close()
        _end(self._connection, self._exchange, self._among)


def patient(environ: dict[str, Any]) -> Any:
    """The browser's socket, which may be silent for BROWSER_SECONDS; None without one."""
    found = environ.get("gunicorn.socket")
    if found is not None:
        found.settimeout(BROWSER_SECONDS)
    return cast(Any, found)
