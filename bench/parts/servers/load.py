"""Many live runs at once, and many viewers of one, each with clients that read along.

Every run has a stand-in of its own that writes a line every 50 ms; the clients are real sockets in
another process. The figures are the time from a line's write to its arrival, the server's memory,
and the longest stall of its event loop.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.figures import Figure, Target
from bench.server import MB, cpu_seconds, health, running_server, worker_of
from bench.traffic import ticks
from bench.traffic.clients import PAUSE, clients_of, program_of, received
from bench.traffic.ticks import Series
from tests.support.environment import Sandbox
from tests.support.server import Server

SECONDS = 120.0
RUNS = 50
VIEWERS = 500
JSON_CLIENTS_OF_ONE = 10
FLOOR = Series("stream", 100, PAUSE)
SETTINGS = {"OPCODE_MAX_RUNS": str(RUNS + 10), "OPCODE_IDLE_TIMEOUT": "0"}

FRAGMENT = Target("p99", 150)
JSON = Target("p99", 5)
MEMORY = Target("worst", 200)
STALL = Target("worst", 50)


@dataclass(frozen=True, slots=True)
class Crowd:
    """The number of runs, and of clients of each kind for each run."""

    name: str
    runs: int
    viewers: int
    programs: int


CROWDS = (
    Crowd(f"{RUNS} runs, a viewer each", RUNS, 1, 1),
    Crowd(f"1 run, {VIEWERS} viewers", 1, VIEWERS, JSON_CLIENTS_OF_ONE),
)


@dataclass(slots=True)
class Seen:
    """Measurements of the server during the load, and those of its clients."""

    delays: dict[str, Sequence[float]] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)
    idle_memory: float = 0.0
    longest_held: float = 0.0
    idle_held: float = 0.0
    stalls: int = 0
    cpu: float = 0.0
    clients_cpu: float = 0.0


def measure(seconds: float = SECONDS, crowds: Sequence[Crowd] = CROWDS) -> list[Figure]:
    floor = ticks.floor(FLOOR)
    return [figure for crowd in crowds for figure in _figures(crowd, under(crowd, seconds), floor)]


def _figures(crowd: Crowd, seen: Seen, floor: Sequence[float]) -> Iterator[Figure]:
    what = crowd.name
    fragments, lines = seen.delays["page"], seen.delays["json"]
    yield Figure(f"{what}: a line to its fragment", "ms", fragments, "bare tail", floor, FRAGMENT)
    yield Figure(f"{what}: a line to a JSON client", "ms", lines, "bare tail", floor, JSON)
    idle, memory = [seen.idle_memory], seen.memory
    yield Figure(f"{what}: memory of the server", "MB", memory, "without runs", idle, MEMORY)
    held, before = [seen.longest_held], [seen.idle_held]
    yield Figure(f"{what}: the hub was held, at most", "ms", held, "without runs", before, STALL)
    cpu, clients = [seen.cpu * 100], [seen.clients_cpu * 100]
    yield Figure(f"{what}: a core of the server's", "%", cpu, "the clients’", clients)


def under(crowd: Crowd, seconds: float) -> Seen:
    """Let a crowd read the output of its runs for so long."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ticker = ticks.write_ticker(home)
        with running_server(Sandbox(home / "home").make(), ticker, **SETTINGS) as server:
            worker = worker_of(server)
            seen = Seen()
            seen.idle_memory = worker.memory_info().rss / MB
            seen.idle_held = health(server)["worst_ms"]
            addresses = [ticks.begin(server) for _ in range(crowd.runs)]
            with ExitStack() as stack:
                delays = _groups(crowd, addresses)
                clients = {
                    name: stack.enter_context(clients_of(server.port, group, _ticks(seconds)))
                    for name, group in delays.items()
                }
                _watch(server, worker, addresses, seconds, clients, seen)
            after = health(server)
            seen.longest_held, seen.stalls = after["worst_ms"], after["stalls"]
            return seen


def _groups(crowd: Crowd, addresses: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """The addresses that each client of each kind requests."""
    groups: dict[str, list[dict[str, str]]] = {"page": [], "json": []}
    for address in addresses:
        program = program_of(address)
        groups["page"] += [{"path": f"{address}/live", "says": ""}] * crowd.viewers
        groups["json"] += [program] * crowd.programs
    return groups


def _ticks(seconds: float) -> int:
    return round(seconds / PAUSE)


def _watch(
    server: Server,
    worker: psutil.Process,
    addresses: Sequence[str],
    seconds: float,
    clients: Mapping[str, subprocess.Popen[bytes]],
    seen: Seen,
) -> None:
    """Let the runs write, sample the server meanwhile, and collect the clients' measurements."""
    for address in addresses:
        ticks.prompt(server, address, Series("talk", _ticks(seconds), PAUSE))
    began, cpu = time.monotonic(), cpu_seconds([worker.pid])
    while time.monotonic() < began + seconds:
        time.sleep(min(1.0, seconds / 10))
        seen.memory.append(worker.memory_info().rss / MB)
    passed = time.monotonic() - began
    seen.cpu = (cpu_seconds([worker.pid]) - cpu) / passed
    for name, process in clients.items():
        seen.delays[name], cpu = received(process)
        seen.clients_cpu += cpu / passed
