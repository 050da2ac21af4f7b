"""Many live runs at once, and many viewers of one, each with clients that read along.

Every run has a stand-in of its own that writes a line every 50 ms; the clients are real sockets in
another process. The figures are the time from a line's write to its arrival, the server's memory,
and the longest stall of its event loop.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench import latency
from bench.figures import Figure, Target
from bench.latency import Series
from bench.server import cpu_seconds, running_server
from tests.support.environment import (
    ROOT,
    SYSTEM_PATH,
    Sandbox,
    Server,
    basic_header,
)

SECONDS = 120.0
RUNS = 50
VIEWERS = 500
JSON_CLIENTS_OF_ONE = 10
PAUSE = 0.05
FLOOR = Series("stream", 100, PAUSE)
GRACE_SECONDS = 30.0
"""How long the last tick may take to arrive everywhere."""

SETTINGS = {"OPCODE_MAX_RUNS": str(RUNS + 10), "OPCODE_IDLE_TIMEOUT": "0"}

FRAGMENT = Target("p99", 150)
JSON = Target("p99", 5)
MEMORY = Target("worst", 200)
STALL = Target("worst", 50)
MB = 1_000_000


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
    floor = latency.floor(FLOOR)
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
        ticker = latency.write_ticker(home)
        with running_server(Sandbox(home / "home").make(), ticker, **SETTINGS) as server:
            worker = worker_of(server)
            seen = Seen()
            seen.idle_memory = worker.memory_info().rss / MB
            seen.idle_held = health(server)["worst_ms"]
            addresses = [latency.begin(server) for _ in range(crowd.runs)]
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


def worker_of(server: Server) -> psutil.Process:
    """The worker process."""
    workers = [
        each
        for each in psutil.Process(server.pid).children()
        if "gunicorn" in " ".join(each.cmdline())
    ]
    assert len(workers) == 1, workers
    return workers[0]


def health(server: Server, seconds: int = 10) -> dict[str, Any]:
    """The server's report on its event loop; `worst_lately_ms` is about the last `seconds`."""
    data: dict[str, Any] = server.get(f"/api/health?seconds={seconds}").json()["data"]
    return data


def _groups(crowd: Crowd, addresses: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """The addresses that each client of each kind requests."""
    groups: dict[str, list[dict[str, str]]] = {"page": [], "json": []}
    for address in addresses:
        program = program_of(address)
        groups["page"] += [{"path": f"{address}/live", "says": ""}] * crowd.viewers
        groups["json"] += [program] * crowd.programs
    return groups


def program_of(address: str) -> dict[str, str]:
    """A client of /ws/claude that follows the session at an address."""
    attach = {"command_type": "attach", "session_id": address.rpartition("/")[2]}
    return {"path": "/ws/claude", "says": json.dumps(attach)}


@contextmanager
def clients_of(
    port: int, group: Sequence[Mapping[str, str]], ticks: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with all clients of a kind, once they are connected; each waits for `ticks`."""
    job = {
        "port": port,
        "header": "\r\n".join(f"{name}: {value}" for name, value in basic_header().items()),
        "ticks": ticks,
        "seconds": ticks * PAUSE + GRACE_SECONDS,
        "clients": group,
    }
    command = [sys.executable, "-m", "bench.crowd"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PATH": SYSTEM_PATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"connected\n", "the clients could not connect"
        try:
            yield process
        finally:
            process.kill()


def received(process: subprocess.Popen[bytes]) -> tuple[array[float], float]:
    """The milliseconds of each line to each client, and the clients' CPU seconds."""
    assert process.stdout is not None
    about = json.loads(process.stdout.readline())
    assert not about["late"], f"did not see the last line: {about['late']}"
    assert not about["missed"], f"{about['missed']} lines were not seen"
    delays = array("d")
    delays.frombytes(process.stdout.read(about["count"] * delays.itemsize))
    return delays, about["cpu"]


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
        latency.prompt(server, address, Series("talk", _ticks(seconds), PAUSE))
    began, cpu = time.monotonic(), cpu_seconds([worker.pid])
    while time.monotonic() < began + seconds:
        time.sleep(min(1.0, seconds / 10))
        seen.memory.append(worker.memory_info().rss / MB)
    passed = time.monotonic() - began
    seen.cpu = (cpu_seconds([worker.pid]) - cpu) / passed
    for name, process in clients.items():
        seen.delays[name], cpu = received(process)
        seen.clients_cpu += cpu / passed
