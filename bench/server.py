"""The server of a benchmark, isolated as in the tests, and the CPU time that its processes use."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.environment import Sandbox, Server

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


def _cpu_seconds(pid: int) -> float:
    if sys.platform == "linux":
        # the clock of a process, see clock_getcpuclockid(3): nanoseconds, where /proc has ticks
        return time.clock_gettime(~pid << 3 | 2)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
