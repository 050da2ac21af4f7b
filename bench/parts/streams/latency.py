"""From the line that Claude's process writes to the message with its HTML at a loopback client."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.figures import Figure, Target
from bench.server import running_server
from bench.traffic.ticks import Series, floor, through_app, write_ticker
from tests.support.environment import Sandbox

LIMIT = Target("median", 50.0)
"""ms: a frame in which changes gather (40 ms), and 10 ms."""

SERIES = {
    "A whole line every 150 ms": Series("lines", 60, 0.15),
    "A growing answer, 20 pieces/s": Series("stream", 120, 0.05),
    "A growing answer, 100 pieces/s": Series("stream", 300, 0.01),
}


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with running_server(Sandbox(home / "home").make(), write_ticker(home)) as server:
            return [
                Figure(name, "ms", through_app(server, series), "bare tail", floor(series), LIMIT)
                for name, series in SERIES.items()
            ]
