"""Dev servers that break the rules of HTTP: what the browser and the server are spared."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import gevent
import pytest

from opcode_htmx.features.preview.proxy import exchange, headers
from opcode_htmx.features.preview.proxy.headers import Place
from opcode_htmx.features.preview.proxy.open_exchanges import OpenExchange, OpenExchanges
from opcode_htmx.features.preview.proxy.upstream import Unanswered
from opcode_htmx.runs.processes.listening import Listener
from opcode_htmx.runs.processes.process_table import key_of

PLACE = Place(5173, "http://127.0.0.1:18080", our_port=18080)
FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal"


@dataclass
class Answered:
    """What a browser was answered."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


Ask = Callable[..., Answered]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Sends one request through the proxy to a server that answers with these pieces, for ever."""
    with contextlib.ExitStack() as stack:

        def asked(*pieces: bytes, for_ever: bytes = b"") -> Answered:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            inode = os.fstat(listening.fileno()).st_ino
            key = key_of(os.getpid())
            assert key
            port = listening.getsockname()[1]
            listener = Listener(port, "127.0.0.1", key, listening.fileno(), inode)
            thread = threading.Thread(target=_serve, args=(listening, pieces, for_ever))
            thread.start()
            stack.callback(thread.join)
            found = Answered()

            def start(
                status: str, fields: list[tuple[str, str]], error: object = None, /
            ) -> Callable[[bytes], object]:
                found.status, found.headers = status, fields
                return lambda data: None

            one = OpenExchange(None, lambda: True)
            environ = {"REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO()}
            body = exchange.pass_on(environ, start, listener, "/", PLACE, OpenExchanges(), one)
            try:
                found.body = b"".join(body)
            finally:
                body.close()  # type: ignore[attr-defined]
            return found

        yield asked


def _serve(listening: socket.socket, pieces: tuple[bytes, ...], for_ever: bytes) -> None:
    connection, _ = listening.accept()
    with connection, contextlib.suppress(OSError):
        for piece in pieces:
            connection.sendall(piece)
        while for_ever:
            connection.sendall(for_ever)


def test_answers_before_the_final_one_are_not_taken_for_it(ask: Ask) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    found = ask(hints + b"HTTP/1.1 100 Continue\r\n\r\n" + hints + FINAL)
    assert (found.status, found.body) == ("200 OK", b"final")
    assert "Link" not in dict(found.headers)


def test_a_switch_of_protocols_that_nobody_has_asked_for_is_no_answer(ask: Ask) -> None:
    with pytest.raises(Unanswered):
        ask(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + FINAL)


@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
def test_a_head_that_never_ends_is_given_up_and_stalls_no_other_request(
    ask: Ask, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "HEAD_SECONDS", 0.5)
    longest = _watch_loop()
    with pytest.raises(Unanswered, match="does not answer"):
        ask(for_ever=b"HTTP/1.1 %b\r\n\r\n" % status * 500)
    assert longest() < 0.4


def test_a_redirect_to_no_address_is_passed_as_it_is() -> None:
    for value in ("http://[", "//[::1", "http://localhost:port/"):
        assert headers.location(value, PLACE) == value


@pytest.mark.parametrize(
    "name", ["X-Accel-Redirect", "x-accel-expires", "X-Sendfile", "X-LIGHTTPD-send-file"]
)
def test_orders_for_a_proxy_in_front_of_the_server_are_not_passed(name: str) -> None:
    answered = [(name, "/projects"), ("X-Kept", "1"), ("X-Accel-Buffering", "no")]
    found = dict(headers.for_browser(answered, PLACE))
    assert name not in found
    assert (found["X-Kept"], found["X-Accel-Buffering"]) == ("1", "no")


def _watch_loop() -> Callable[[], float]:
    """Measures from now on for how long this thread works while other greenlets wait, so that a
    busy machine does not count; the result is the longest time."""
    longest = 0.0

    def tick() -> None:
        nonlocal longest
        while True:
            began = time.thread_time()
            gevent.sleep(0.01)
            longest = max(longest, time.thread_time() - began)

    watch = gevent.spawn(tick)
    gevent.sleep(0)

    def result() -> float:
        watch.kill()
        return longest

    return result
