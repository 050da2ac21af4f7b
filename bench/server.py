"""The server of a benchmark, isolated as in the tests: its requests, processes and CPU time."""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.support.environment import Sandbox, basic_header, until
from tests.support.server import Server

MB = 1_000_000
REQUESTS = 60
"""Of a page, one after the other."""
QUIET_SECONDS, QUIET_SHARE = 60.0, 2.0
"""How long a start may take to come to rest, and the percentage of a core that is rest."""
NOBODY = "http://127.0.0.1:9"
"""The address of an API where nothing listens."""


@contextmanager
def running_server(sandbox: Sandbox, claude: Path, **settings: str) -> Iterator[Server]:
    """The app under gunicorn with `claude` as the CLI; it and its runs end with the block."""
    server = Server(sandbox, claude, NOBODY, **settings)
    try:
        yield server.start()
    finally:
        server.close()


def processes(server: Server) -> list[int]:
    """The pids of the server's own processes. To be asked before the first run is started."""
    arbiter = psutil.Process(server.pid)
    return [arbiter.pid, *(each.pid for each in arbiter.children(recursive=True))]


def cpu_seconds(pids: Iterable[int]) -> float:
    """The CPU time that live processes have used, with all of their threads."""
    return sum(map(_cpu_seconds, pids))


def idle_share(pids: Sequence[int], seconds: float) -> float:
    """The percentage of a core that live processes use in so many seconds of waiting."""
    before = cpu_seconds(pids)
    time.sleep(seconds)
    return (cpu_seconds(pids) - before) / seconds * 100


def wait_until_quiet(pids: Sequence[int]) -> None:
    """Until what a server does after its start is done, such as compiling its templates."""
    deadline = time.monotonic() + QUIET_SECONDS
    quiet = 0
    while quiet < 3 and time.monotonic() < deadline:
        quiet = quiet + 1 if idle_share(pids, 1.0) < QUIET_SHARE else 0


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


def prepare(sandbox: Sandbox, claude: Path) -> None:
    """Start once, so that what the first start of all makes is there."""
    with running_server(sandbox, claude) as server:
        assert server.get("/").ok
        until((sandbox.state / "templates").exists, "the compiled templates are kept")


def times(server: Server, path: str, count: int = REQUESTS) -> list[float]:
    """Milliseconds from a request to the last byte of its response, on one connection."""
    found = []
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.connect()
        for _ in range(count):
            began = time.perf_counter()
            connection.request("GET", path, headers=basic_header())
            response = connection.getresponse()
            response.read()
            found.append((time.perf_counter() - began) * 1000)
            assert response.status == 200, (path, response.status)
    return found


def _cpu_seconds(pid: int) -> float:
    if sys.platform == "linux":
        # the clock of a process, see clock_getcpuclockid(3): nanoseconds, where /proc has ticks
        return time.clock_gettime(~pid << 3 | 2)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
