"""What passes through the proxy is counted, and ended by a look."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from opcode_htmx.features.preview.proxy import open_exchanges
from opcode_htmx.features.preview.proxy.open_exchanges import OpenExchange, OpenExchanges, TooMany

Made = tuple[OpenExchange, list[socket.socket]]


@pytest.fixture
def exchange() -> Iterator[Callable[..., Made]]:
    """Makes one between two pairs of sockets, with their other ends: browser, dev server."""
    with ExitStack() as stack:

        def make(*, goes_on: bool = True, is_socket: bool = False) -> Made:
            ours, browser = map(stack.enter_context, socket.socketpair())
            to_server, server = map(stack.enter_context, socket.socketpair())
            one = OpenExchange(ours, lambda: goes_on, is_socket=is_socket, server=to_server)
            return one, [browser, server]

        yield make


def has_end(side: socket.socket) -> bool:
    side.setblocking(False)
    try:
        return side.recv(1) == b""
    except BlockingIOError:
        return False


def test_a_request_ends_when_its_browser_has_gone(exchange: Callable[..., Made]) -> None:
    among = OpenExchanges()
    one, (browser, server) = exchange()
    with among.opened(one):
        among.look()
        assert not has_end(server)
        browser.close()
        among.look()
        assert has_end(server)
    assert len(among) == 0


def test_a_websocket_ends_on_both_sides_when_it_may_not_go_on(
    exchange: Callable[..., Made],
) -> None:
    among = OpenExchanges()
    one, (browser, server) = exchange(goes_on=False, is_socket=True)
    with among.opened(one):
        among.look()
        assert (has_end(browser), has_end(server)) == (True, True)


def test_there_is_a_limit_for_each_kind_and_none_is_accepted_at_the_end(
    exchange: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_exchanges, "MOST_REQUESTS", 1)
    monkeypatch.setattr(open_exchanges, "MOST_SOCKETS", 1)
    among = OpenExchanges()
    first, sides = exchange()
    with among.opened(first):
        with pytest.raises(TooMany):
            among.add(exchange()[0])
        with among.opened(exchange(is_socket=True)[0]), pytest.raises(TooMany):
            among.add(exchange(is_socket=True)[0])
        among.close()
        assert has_end(sides[1])
    with pytest.raises(TooMany):
        among.add(exchange()[0])
