"""What `/metrics` costs, and whether counters fall, with four workers under load.

Runs write lines while a thousand scrapes are answered by whichever worker; one worker is killed
meanwhile. The CPU time of a scrape is that of all processes of the server, less what they use
without scrapes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests
from prometheus_client import parser

from bench.figures import Figure, Target
from bench.server import cpu_seconds, running_server
from bench.traffic import ticks
from bench.traffic.ticks import Series
from tests.support.environment import Sandbox
from tests.support.server import Server

WORKERS = 4
RUNS = 10
SCRAPES = 1000
PACED = 200
"""Scrapes, one after the other with pauses, over which the CPU time is measured."""
PAUSE = 0.05
EVERY_SECONDS = 5.0
"""How often Prometheus would ask."""
LOAD = Series("stream", 4000, 0.05)
SETTINGS = {"OPCODE_WORKERS": str(WORKERS), "OPCODE_SEARCH_INDEX": "1"}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
SHARE = Target("median", 1.0)
FALLS = Target("worst", 0)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ticker = ticks.write_ticker(home)
        with running_server(Sandbox(home / "home").make(), ticker, **SETTINGS) as server:
            addresses = [ticks.begin(server) for _ in range(RUNS)]
            time.sleep(3)
            share = _share_of_a_core(server, "/metrics")
            floor = _share_of_a_core(server, "/healthz")
            for address in addresses:
                ticks.prompt(server, address, LOAD)
            times, fallen = _scrape(server)
            bare = [_timed(server, "/healthz")[0] for _ in range(PACED)]
    what = f"{WORKERS} workers, {RUNS} runs"
    often = f"a core at a scrape in {EVERY_SECONDS:g} s"
    return [
        Figure(f"{what}: {often}", "%", share, "/healthz", floor, SHARE),
        Figure(f"{what} that write: a scrape", "ms", times, "/healthz", bare),
        Figure(f"{SCRAPES} scrapes: counters that fell", "", [fallen], "counters", [1.0], FALLS),
    ]


def _share_of_a_core(server: Server, path: str) -> list[float]:
    """Percent of a core that the server uses for a request every EVERY_SECONDS; three times."""
    found = []
    for _ in range(3):
        idle = _cpu_seconds(server, lambda: None)
        asked = _cpu_seconds(server, lambda: _timed(server, path))
        found.append(100 * max(0.0, asked - idle) / PACED / EVERY_SECONDS)
    return found


def _cpu_seconds(server: Server, act: Callable[[], object]) -> float:
    """What the server's processes use while `act` is done PACED times."""
    pids = [each.pid for each in server.worker_processes()]
    before = cpu_seconds(pids)
    for _ in range(PACED):
        began = time.monotonic()
        act()
        time.sleep(max(0.0, PAUSE - (time.monotonic() - began)))
    return cpu_seconds(pids) - before


def _timed(server: Server, path: str) -> tuple[float, str]:
    """The milliseconds of a request on a connection of its own, and the answer."""
    began = time.perf_counter()
    answer = requests.get(server.url + path, timeout=30)
    took = (time.perf_counter() - began) * 1e3
    assert answer.status_code == 200, answer.text
    return took, answer.text


def _scrape(server: Server) -> tuple[list[float], float]:
    """The milliseconds of each scrape, and how often a counter was less than before."""
    times, fallen = list[float](), 0
    before: Samples = {}
    for number in range(SCRAPES):
        if number == SCRAPES // 2:
            server.worker_processes()[0].kill()
        took, text = _timed(server, "/metrics")
        times.append(took)
        after = _counters(text)
        fallen += sum(after[key] < value for key, value in before.items())
        before = after
    return times, float(fallen)


def _counters(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
        if family.type in ("counter", "histogram")
    }
