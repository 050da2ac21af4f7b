"""What the API answers from Claude's files: the list of projects, and a long history."""

from __future__ import annotations

import base64
import http.client
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.api import NOON, line, prompt, session, stamp
from tests.support import PASSWORD, USER, Sandbox, Server, write_stand_in

from .figures import Figure, Target
from .stand import running_server

PROJECTS, SESSIONS = 100, 50
REQUESTS = 60
HISTORY_BYTES = 50_000_000
READS = 12
SMALL = "/healthz"


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sandbox = Sandbox(home / "home").make()
        files = [_project(sandbox.config_dir, number) for number in range(PROJECTS)]
        history = _history(sandbox.config_dir)
        with running_server(sandbox, write_stand_in(home / "claude")) as server:
            return [*_lists(server, files), *_histories(server, history)]


def _project(config_dir: Path, number: int) -> Path:
    """Makes a project; one of its session files."""
    folder = f"/home/me/project-{number}"
    files = [
        session(config_dir, folder, prompt(f"Prompt {each}", folder, NOON + number * 100 + each))
        for each in range(SESSIONS)
    ]
    return files[0]


def _history(config_dir: Path) -> Path:
    entry = line({"type": "assistant", "timestamp": stamp(NOON), "text": "word " * 400})
    text = prompt("a", "/home/me/long") + entry * (HISTORY_BYTES // len(entry))
    return session(config_dir, "/home/me/long", text)


def _lists(server: Server, files: list[Path]) -> Iterator[Figure]:
    def change(number: int) -> None:
        with files[number % len(files)].open("a", encoding="utf-8") as file:
            file.write(prompt("more", "/home/me", NOON + number))

    what = f"{PROJECTS} projects of {SESSIONS} sessions"
    with closing(_connection(server)) as connection:
        small = [_get(connection, SMALL)[1] for _ in range(REQUESTS)]
        for name, before in (("again", lambda number: None), ("after a change", change)):
            _get(connection, "/api/projects")
            took = [_timed(connection, before, number) for number in range(REQUESTS)]
            yield Figure(f"{what}, {name}", "ms", took, "small answer", small, Target("median", 10))


def _timed(
    connection: http.client.HTTPConnection, before: Callable[[int], None], number: int
) -> float:
    before(number)
    return _get(connection, "/api/projects")[1]


def _histories(server: Server, history: Path) -> Iterator[Figure]:
    address = f"/api/sessions/{history.stem}/history/{history.parent.name}"
    worker = psutil.Process(server.pid).children()[0]
    firsts, small, grown = [], [], []
    with closing(_connection(server)) as connection:
        _get(connection, address)
        before = worker.memory_info().rss
        for _ in range(READS):
            small.append(_get(connection, SMALL)[1])
            peak, first = _get(connection, address, worker)
            firsts.append(first)
            grown.append(max(0.0, (peak - before) / 1e6))
    megabytes = HISTORY_BYTES // 1_000_000
    yield Figure(
        f"First byte of a history of {megabytes} MB",
        "ms",
        firsts,
        "small answer",
        small,
        Target("median", 50),
    )
    size = [HISTORY_BYTES / 1e6]
    name = "Memory that the server takes for it"
    yield Figure(name, "MB", grown, "the history", size, Target("worst", 5))


def _connection(server: Server) -> http.client.HTTPConnection:
    parts = urlsplit(server.url)
    assert parts.hostname
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)


def _get(
    connection: http.client.HTTPConnection, path: str, worker: psutil.Process | None = None
) -> tuple[int, float]:
    """The most memory that `worker` had, and the milliseconds to the first byte.

    Without a worker, to the last.
    """
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    began = time.perf_counter()
    connection.request("GET", path, headers={"Authorization": f"Basic {login}"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    if worker is None:
        answer.read()
        return 0, (time.perf_counter() - began) * 1e3
    answer.read(1)
    first, peak = (time.perf_counter() - began) * 1e3, 0
    while answer.read(1_000_000):
        peak = max(peak, worker.memory_info().rss)
    return peak, first
