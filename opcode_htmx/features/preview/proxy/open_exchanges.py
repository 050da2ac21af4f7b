"""The requests and WebSockets that pass through the proxy now: their number, and their end.

An answer may be silent for hours (server-sent events, a WebSocket), so nobody notices by writing
that the browser has gone, its login has ended, or the dev server is another one. A look at all of
them, every few seconds, does.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable, Iterator
from dataclasses import field

from gevent import monkey

from opcode_htmx.lib.concurrency.plain_sockets import shut_down
from opcode_htmx.lib.dataclass import dataclass

MOST_REQUESTS, MOST_SOCKETS = 200, 100
"""At once, in one worker. A browser has six requests at once to one address."""
EVERY_SECONDS = 5.0

_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
_poll = monkey.get_original("select", "poll")


class TooMany(Exception):
    """As many as may be are open already."""


@dataclass(eq=False)
class OpenExchange:
    """One of them. `may_go_on`: whether its login and its dev server are still what they were."""

    browser: socket.socket | None
    may_go_on: Callable[[], bool]
    is_socket: bool = False
    server: socket.socket | None = field(default=None)
    """Set once it is connected."""

    def abort(self) -> None:
        """Shut down both sides: pending reads and writes end."""
        for each in (self.server, self.browser if self.is_socket else None):
            if each is not None:
                shut_down(each)


class OpenExchanges:
    """All of one worker."""

    def __init__(self) -> None:
        self._open: dict[OpenExchange, None] = {}
        self._is_closed = False

    @contextlib.contextmanager
    def opened(self, exchange: OpenExchange) -> Iterator[OpenExchange]:
        """Count an exchange while it lasts. Raises TooMany."""
        self.add(exchange)
        try:
            yield exchange
        finally:
            self.remove(exchange)

    def add(self, exchange: OpenExchange) -> None:
        """Raises TooMany."""
        most = MOST_SOCKETS if exchange.is_socket else MOST_REQUESTS
        same = sum(each.is_socket == exchange.is_socket for each in self._open)
        if self._is_closed or same >= most:
            raise TooMany
        self._open[exchange] = None

    def remove(self, exchange: OpenExchange) -> None:
        self._open.pop(exchange, None)

    def __len__(self) -> int:
        return len(self._open)

    def look(self) -> None:
        """End those whose browser has gone, or that may not go on."""
        for each in list(self._open):
            if (each.browser is not None and _has_gone(each.browser)) or not each.may_go_on():
                each.abort()

    def close(self) -> None:
        """End all, and accept no more: the worker ends."""
        self._is_closed = True
        for each in list(self._open):
            each.abort()


def _has_gone(peer: socket.socket) -> bool:
    """Whether the other side has closed its connection; does not block."""
    try:
        poller = _poll()
        poller.register(peer.fileno(), _GONE)
        return bool(poller.poll(0))
    except (OSError, ValueError):  # closed by us
        return True
