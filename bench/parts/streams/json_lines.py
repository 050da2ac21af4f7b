"""From the line that Claude's process writes to its JSON message at a loopback client.

Latency one line at a time, and the rate of a burst, over /ws/claude; the floor is a bare file tail
to a socket.
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import websocket

from bench.figures import Figure, Target
from bench.server import processes, running_server, wait_until_quiet
from bench.traffic import ticks
from bench.traffic.ticks import Series
from tests.support.environment import Sandbox, basic_header
from tests.support.server import Server

SINGLE = Series("lines", 300, 0.02)
ROUNDS = 5
BURST_LINES = 5000
BURSTS = 9
RECEIVED = 1 << 20
LIMIT = Target("ratio", 1.1)
LIMIT_OF_P99 = Target("p99 ratio", 1.1)
LEAST_RATE = Target("least", 100_000)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with running_server(Sandbox(home / "home").make(), ticks.write_ticker(home)) as server:
            wait_until_quiet(processes(server))  # templates are compiled after a first start
            rates = [burst(server) for _ in range(BURSTS)]
            bare_rates = [bare_burst() for _ in range(BURSTS)]
            wait_until_quiet(processes(server))
            ours, bare = list[float](), list[float]()
            for _ in range(ROUNDS):
                ours += through_socket(server)
                bare += ticks.floor(SINGLE)
            what = "A line to a JSON message, one every 20 ms"
            return [
                Figure(what, "ms", ours, "bare tail", bare, LIMIT),
                Figure(f"{what}: p99", "ms", ours, "bare tail", bare, LIMIT_OF_P99),
                Figure(
                    f"A burst of {BURST_LINES:,} lines, all arrived",
                    "lines/s",
                    rates,
                    "bare tail",
                    bare_rates,
                    LEAST_RATE,
                ),
            ]


@contextmanager
def client(server: Server) -> Iterator[websocket.WebSocket]:
    """A client of /ws/claude that has been greeted."""
    with closing(
        websocket.create_connection(
            server.url.replace("http", "ws", 1) + "/ws/claude",
            header=basic_header(),
            suppress_origin=True,
            timeout=ticks.SILENCE_SECONDS,
            skip_utf8_validation=True,
        )
    ) as connection:
        connection.recv()
        yield connection


def ask(connection: websocket.WebSocket, server: Server, **series: object) -> None:
    prompt = json.dumps({"kind": "lines", "pause": 0.0, **series})
    connection.send(
        json.dumps(
            {
                "command_type": "execute",
                "project_path": str(server.sandbox.project),
                "prompt": prompt,
            }
        )
    )


def through_socket(server: Server) -> list[float]:
    """Milliseconds from the write of each line to its message."""
    with client(server) as connection:
        ask(connection, server, count=SINGLE.count, pause=SINGLE.pause)
        received = plain(connection)
        return ticks.arrivals(lambda: received.recv(RECEIVED), SINGLE.count)


def burst(server: Server) -> float:
    """Lines per second from the write of the first one to the arrival of the last."""
    with client(server) as connection:
        ask(connection, server, kind="burst", count=BURST_LINES)
        return rate(plain(connection))


def plain(connection: websocket.WebSocket) -> socket.socket:
    """Raw bytes as they arrive, so that no client library is part of the measurement."""
    received: socket.socket | None = connection.sock
    assert received is not None
    return received


def bare_burst() -> float:
    with ticks.bare_tail(Series("burst", BURST_LINES, 0.0)) as received:
        return rate(received)


def rate(connection: socket.socket) -> float:
    """Read until the last tick of a burst has come; all of them must have."""
    pieces: list[bytes] = []
    tail = b""
    last = b"tick%dat" % (BURST_LINES - 1)
    while last not in tail:
        piece = connection.recv(RECEIVED)
        arrived = time.monotonic_ns()
        assert piece, "the socket closed before the last line"
        pieces.append(piece)
        tail = tail[-len(last) :] + piece
    found = ticks.TICK.findall(b"".join(pieces))
    numbers = [int(number) for number, _ in found]
    assert numbers == list(range(BURST_LINES)), "a line was lost, doubled or out of order"
    seconds = (arrived - min(int(written) for _, written in found)) / 1e9
    return BURST_LINES / seconds
