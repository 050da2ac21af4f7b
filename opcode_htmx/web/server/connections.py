"""Bound the connections without a login, so that they do not keep out those with one.

A connection is accepted before anything is known of it. Until a request on it proves a login it
counts against a limit, per network and in all, beyond which the oldest are cut; and it has a
deadline, whatever it sends. Between requests a connection counts as its last request did. Knows
sockets and addresses, and nothing of HTTP.
"""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import gevent
from gevent.event import Event

from opcode_htmx.lib.concurrency import plain_sockets
from opcode_htmx.web.auth.rate_limit import network

MOST = 400
"""Connections without a login at once, to one worker. gunicorn accepts more by as many."""
MOST_PER_NETWORK = 50
GRACE_SECONDS = 1.0
"""For so long a connection is not cut for the limit of its network: its first request may just be
on the way, and until that is read all clients of a proxy have one address."""
DEADLINE_SECONDS = 10.0
"""For a whole request without a login: headers, body and answer."""

LINGER_SECONDS = 1.0
LINGER_BYTES = 256 * 1024
"""How long, and how much, of an unwanted body is read, so that its sender still gets the response:
closing a socket with unread data discards what was sent."""

WARN_SECONDS = 60.0
"""How seldom the log says that connections are cut for a limit."""

_SWEEP_SECONDS = 0.5
_LONGEST_STEP = 1.2 * _SWEEP_SECONDS
_COUNTED_NETWORKS = 1000
"""Of which the cuts are counted one by one until the next warning."""

log = logging.getLogger(__name__)

_loads = 0
"""How many greenlets are within `loading`."""


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Within, no deadline comes nearer: a first request has 200 modules loaded before its login is
    looked at, which may take longer than that on a busy machine."""
    global _loads
    _loads += 1
    try:
        yield
    finally:
        _loads -= 1


class ServingTime:
    """Seconds in which the event loop served its clients: a stall of the loop counts as a moment.

    During a stall, as by the first requests to a new worker, what clients have sent waits to be
    read. Their limits of time are not to be over when that begins. Nor while routes are `loading`.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seconds = 0.0
        self._counted_at = monotonic()

    def __call__(self) -> float:
        if _loads:
            return self._seconds
        return self._seconds + min(self._monotonic() - self._counted_at, _LONGEST_STEP)

    def tick(self) -> None:
        """The loop runs; more than `_LONGEST_STEP` since the last time was a stall, or a pause."""
        self._seconds, self._counted_at = self(), self._monotonic()


class Connection:
    """`since` is when it was accepted, or when its newest request began; in seconds of its table's
    clock."""

    __slots__ = ("network", "on_proof", "since", "sock")

    def __init__(self, sock: socket.socket, address: str, since: float) -> None:
        self.sock = sock
        self.network = network(address)
        self.since = since
        self.on_proof: Callable[[], None] | None = None

    def cut(self) -> None:
        """Shut it down, without an error in the greenlet that reads it."""
        plain_sockets.shut_down(self.sock)


_current: ContextVar[tuple[Connections, Connection] | None] = ContextVar("connection", default=None)


class Connections:
    """The connections of one worker that have not proved a login, the oldest first."""

    def __init__(
        self,
        most: int = MOST,
        most_per_network: int = MOST_PER_NETWORK,
        deadline: float = DEADLINE_SECONDS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._most = most
        self._most_per_network = most_per_network
        self._deadline = deadline
        self._serving_time = ServingTime()
        self._clock = clock or self._serving_time
        self._unproven: dict[Connection, None] = {}
        self._by_network: dict[str, dict[Connection, None]] = {}
        self._added = Event()
        self._cut_in_all = 0
        self._cuts: Counter[str] = Counter()
        """How many were cut for a limit since the last warning: in all, and by their networks."""
        self._warned_at = -math.inf

    def __len__(self) -> int:
        return len(self._unproven)

    @contextlib.contextmanager
    def opened(self, sock: socket.socket, address: str) -> Iterator[Connection]:
        """A connection, while the current greenlet serves it."""
        connection = Connection(sock, address, self._clock())
        self._add(connection)
        token = _current.set((self, connection))
        try:
            yield connection
        finally:
            _current.reset(token)
            self._discard(connection)

    def request_begins(
        self, connection: Connection, on_proof: Callable[[], None] | None = None
    ) -> None:
        """Its headers have been read, and must prove a login anew."""
        self._discard(connection)
        connection.on_proof = on_proof
        connection.since = self._clock()
        self._add(connection)

    def comes_from(self, connection: Connection, address: str) -> None:
        """A trusted proxy has named the client: the connection counts for that network."""
        if connection in self._unproven and connection.network != network(address):
            self._discard(connection)
            connection.network = network(address)
            self._add(connection)

    def prove(self, connection: Connection) -> None:
        self._discard(connection)
        on_proof, connection.on_proof = connection.on_proof, None
        if on_proof:
            on_proof()

    def run(self) -> None:
        """Cut connections beyond their deadline, for ever."""
        while True:
            self._added.wait()
            self._added.clear()
            while self._unproven or self._cut_in_all:  # until the cuts have been logged
                gevent.sleep(_SWEEP_SECONDS)
                self._serving_time.tick()
                self.sweep()

    def sweep(self) -> None:
        now = self._clock()
        for connection in list(self._unproven):
            if now - connection.since < self._deadline:
                break  # the following are younger
            self._cut(connection)
        for of_network in list(self._by_network.values()):
            self._trim(of_network)
        if self._cut_in_all and time.monotonic() - self._warned_at >= WARN_SECONDS:
            self._warn()
            self._warned_at = time.monotonic()

    def _warn(self) -> None:
        ((largest, number),) = self._cuts.most_common(1)
        log.warning(
            "cut %d connections without a login, as more than %d of a network or %d in all were "
            "open; %d of them came from %s",
            self._cut_in_all,
            self._most_per_network,
            self._most,
            number,
            largest,
        )
        self._cut_in_all = 0
        self._cuts.clear()

    def _add(self, connection: Connection) -> None:
        self._unproven[connection] = None
        self._added.set()
        of_network = self._by_network.setdefault(connection.network, {})
        of_network[connection] = None
        self._trim(of_network)
        if len(self._unproven) > self._most:
            largest = max(self._by_network.values(), key=len)
            self._cut_for_limit(next(iter(largest)))

    def _trim(self, of_network: dict[Connection, None]) -> None:
        """Cut the oldest of a network that has more than its share."""
        for oldest in list(of_network)[: max(0, len(of_network) - self._most_per_network)]:
            if self._clock() - oldest.since < GRACE_SECONDS:
                break
            self._cut_for_limit(oldest)

    def _cut_for_limit(self, connection: Connection) -> None:
        self._cut_in_all += 1
        if connection.network in self._cuts or len(self._cuts) < _COUNTED_NETWORKS:
            self._cuts[connection.network] += 1
        self._cut(connection)

    def _cut(self, connection: Connection) -> None:
        self._discard(connection)
        connection.cut()

    def _discard(self, connection: Connection) -> None:
        self._unproven.pop(connection, None)
        of_network = self._by_network.get(connection.network, {})
        of_network.pop(connection, None)
        if not of_network:
            self._by_network.pop(connection.network, None)


def request_begins(on_proof: Callable[[], None] | None = None) -> None:
    """The same as the method, for the connection of the current greenlet."""
    found = _current.get()
    if found:
        connections, connection = found
        connections.request_begins(connection, on_proof)


def comes_from(address: str) -> None:
    """The same as the method, for the connection of the current greenlet."""
    found = _current.get()
    if found:
        connections, connection = found
        connections.comes_from(connection, address)


def prove() -> None:
    """The current request comes with a login: its connection no longer counts."""
    found = _current.get()
    if found:
        connections, connection = found
        connections.prove(connection)


def linger(sock: socket.socket) -> None:
    """Finish sending, and read for a moment more from the other side."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        left = LINGER_BYTES
        with gevent.Timeout(LINGER_SECONDS, TimeoutError()):
            while left > 0 and (data := sock.recv(8192)):
                left -= len(data)
