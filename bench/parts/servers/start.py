"""The time from the start of the server to its first response, and its memory when it is idle.

The first start of all compiles the templates and asks the CLI for its login; later ones know both.
The stand-in for the CLI takes as long as the real one to say whether it is logged in.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.figures import Figure, Target
from bench.server import NOBODY, prepare, times
from tests.support.environment import ROOT, SYSTEM_PATH, Sandbox, free_port
from tests.support.server import Server

STARTS = 9
FIRST_STARTS = 3
MEMORY_STARTS = 3
POLL = 0.002
LOGIN_SECONDS = 0.22
"""The time that `claude auth status` takes."""

IDLE_SECONDS = 4.0
"""After which a server that has started, or shown a page, does nothing any more."""
MEGABYTE = 1024 * 1024

START = Target("median", 400)
PAGE = Target("median", 300)
IDLE = Target("median", 45)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        claude = write_cli(home / "claude")
        first = [
            start_of(Sandbox(home / f"first{number}").make(), claude)[0]
            for number in range(FIRST_STARTS)
        ]
        sandbox = Sandbox(home / "home").make()
        prepare(sandbox, claude)
        start_of(sandbox, claude)
        later, page, floor = list[float](), list[float](), list[float]()
        for _ in range(STARTS):  # in turn: the machine may be busier for a while
            floor.append(bare_start())
            seconds, milliseconds = start_of(sandbox, claude)
            later.append(seconds)
            page.append(milliseconds)
        memory = [idle_memory(sandbox, claude) for _ in range(MEMORY_STARTS)]
        least = [bare_memory() for _ in range(MEMORY_STARTS)]
        idle, seen = zip(*memory, strict=True)
        bare, whole = "bare gevent app", "Memory (PSS) of all processes"
        return [
            Figure("From the start to the first 200", "ms", later, bare, floor, START),
            Figure("The first page after that", "ms", page, bare, floor, PAGE),
            Figure("The first start of all, to the first 200", "ms", first, bare, floor),
            Figure(f"{whole}, idle since the start", "MB", idle, bare, least, IDLE),
            Figure(f"{whole}, idle, with its start page seen", "MB", seen, bare, least),
        ]


def write_cli(path: Path) -> Path:
    """A stand-in for the CLI that is logged in."""
    path.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo "2.1.330 (Claude Code)"; exit; fi\n'
        f"sleep {LOGIN_SECONDS}\n"
        """echo '{"loggedIn": true}'\n"""
    )
    path.chmod(0o755)
    return path


def start_of(sandbox: Sandbox, claude: Path) -> tuple[float, float]:
    """Milliseconds to the first 200 of a server, and of its first page."""
    server = Server(sandbox, claude, NOBODY, OPCODE_DEMO="")
    began = time.perf_counter()
    server.begin()
    try:
        wait_for(server.port)
        seconds = time.perf_counter() - began
        [page] = times(server, "/", 1)
        time.sleep(1)  # the server asks for the login
        return seconds * 1000, page
    finally:
        server.close()


def idle_memory(sandbox: Sandbox, claude: Path) -> tuple[float, float]:
    """MB of all processes of a server that nobody asks, and after its start page was seen.

    The process of the index is one of them, as people have it.
    """
    server = Server(sandbox, claude, NOBODY, OPCODE_DEMO="", OPCODE_SEARCH_INDEX="1")
    server.begin()
    try:
        wait_for(server.port)
        time.sleep(IDLE_SECONDS)
        before = memory_of(server.pid)
        times(server, "/", 1)
        time.sleep(IDLE_SECONDS)
        return before, memory_of(server.pid)
    finally:
        server.close()


def memory_of(pid: int) -> float:
    """MB of a process and all below it; what several share counts in parts (PSS)."""
    root = psutil.Process(pid)
    family = [root, *root.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family) / MEGABYTE


def bare_start() -> float:
    """The time of an app that does nothing, under the same server."""
    with bare_server() as (_, milliseconds):
        return milliseconds


def bare_memory() -> float:
    """The memory of its processes, in MB."""
    with bare_server() as (pid, _):
        time.sleep(IDLE_SECONDS)
        return memory_of(pid)


@contextmanager
def bare_server() -> Iterator[tuple[int, float]]:
    """An app that does nothing: the pid, and the milliseconds to its first 200."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "gevent", "--log-level", "error"]
    command += ["--no-control-socket", "-b", f"127.0.0.1:{port}", "bench.floors.bare_app:app"]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env={"PATH": SYSTEM_PATH}) as process:
        try:
            wait_for(port)
            yield process.pid, (time.perf_counter() - began) * 1000
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    """Wait for the first response of status 200."""
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline, "the server does not answer"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(POLL)
        finally:
            connection.close()
