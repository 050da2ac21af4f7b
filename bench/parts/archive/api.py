"""Cost of the REST API: the list of many projects, and the history of a very long session."""

from __future__ import annotations

import http.client
import json
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bench.data import history
from bench.figures import Figure, Target
from bench.server import running_server
from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import Sandbox, basic_header, write_stand_in
from tests.support.server import Server

PROJECTS, SESSIONS = 100, 50
REQUESTS = 60
HISTORY_BYTES = 50_000_000
READINGS = 5
SAMPLE_SECONDS = 0.005
"""Interval between two samples of the memory."""


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sandbox = Sandbox(home / "home").make()
        many_projects(sandbox)
        long = long_session(sandbox)
        with running_server(sandbox, write_stand_in(home / "claude")) as server:
            return [*_projects(server), *_history(server, long)]


def many_projects(sandbox: Sandbox) -> None:
    """PROJECTS folders with SESSIONS sessions each in Claude's own files."""
    root = sandbox.config_dir / "projects"
    for number in range(PROJECTS):
        project = sandbox.home / "work" / f"project{number}"
        project.mkdir()
        folder = root / project_id(project)
        first = folder / f"{uuid.uuid4()}.jsonl"
        history.write(first, project, turns=1)
        for _ in range(SESSIONS - 1):
            shutil.copy(first, folder / f"{uuid.uuid4()}.jsonl")


def long_session(sandbox: Sandbox) -> str:
    """Create a session of HISTORY_BYTES; return the address of its history."""
    name = project_id(sandbox.project)
    file = sandbox.config_dir / "projects" / name / f"{history.SESSION_ID}.jsonl"
    history.write(file, sandbox.project, turns=5)
    entries = file.read_bytes()
    with file.open("ab") as more:
        while more.tell() < HISTORY_BYTES:
            more.write(entries)
    return f"/api/sessions/{history.SESSION_ID}/history/{name}"


def _projects(server: Server) -> Iterator[Figure]:
    floor = list(request_times(server, "/healthz"))
    taken = list(request_times(server, "/api/projects"))
    name = f"GET /api/projects, {PROJECTS} projects of {SESSIONS} sessions, warm"
    yield Figure(name, "ms", taken, "/healthz", floor, Target("median", 10))


def request_times(server: Server, path: str) -> Iterator[float]:
    """Milliseconds of each of REQUESTS requests on one connection, after a first one to warm up."""
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)) as connection:
        for number in range(REQUESTS + 1):
            began = time.perf_counter()
            connection.request("GET", path, headers=basic_header())
            response = connection.getresponse()
            body = response.read()
            taken = (time.perf_counter() - began) * 1e3
            assert response.status == 200, response.status
            if path.startswith("/api/"):
                assert len(json.loads(body)["data"]) == PROJECTS + 1, "a project is missing"
            if number:
                yield taken


def _history(server: Server, path: str) -> Iterator[Figure]:
    floor = list(request_times(server, "/healthz"))
    assert server.get("/api/openapi.json").ok  # the server has the API by then, with all models
    first_bytes, growths = [], []
    for _ in range(READINGS):
        with memory_growth(server) as growth:
            first_bytes.append(first_byte(server, path))
        growths.append(max(growth) / 1e6)
    size = f"{HISTORY_BYTES / 1e6:.0f} MB"
    name = f"History of {size}: its first byte"
    yield Figure(name, "ms", first_bytes, "/healthz", floor, Target("median", 50))
    name = f"History of {size}: memory meanwhile"
    yield Figure(name, "MB", growths, "the file", [HISTORY_BYTES / 1e6], Target("worst", 10))


def first_byte(server: Server, path: str) -> float:
    """Milliseconds until the first byte of the content; all of it is read and must be whole."""
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)) as connection:
        began = time.perf_counter()
        connection.request("GET", path, headers=basic_header())
        response = connection.getresponse()
        first = response.read(1)
        taken = (time.perf_counter() - began) * 1e3
        size, tail = 0, first
        while piece := response.read(1 << 20):
            size += len(piece)
            tail = (tail + piece)[-64:]
    assert size >= HISTORY_BYTES, size
    assert tail.rstrip().endswith(b"}"), tail
    return taken


@contextmanager
def memory_growth(server: Server) -> Iterator[list[float]]:
    """Samples of the growth of the worker's memory since the beginning, in bytes."""
    (worker,) = psutil.Process(server.pid).children()
    before = worker.memory_info().rss
    samples = [0.0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            samples.append(worker.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        done.set()
        watcher.join()
