"""The first lists after a start with five thousand sessions, the same again, and the idle cost.

At last, the page of two hundred running sessions.

Each first list is the first request of a server that has just started. The files are in the
system's cache of files, as they are after yesterday's work.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.data import many_sessions
from bench.data.many_sessions import PROJECTS, SESSIONS
from bench.figures import Figure, Target
from bench.server import health, idle_share, prepare, running_server, times, worker_of
from bench.traffic import ticks
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.engines.claude.files.session_summary import NAMES_TAIL
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.server import Server

STARTS = 4
IDLE_SECONDS = 20.0

RUNS = 200

FIRST = Target("median", 100)
HOME = Target("median", 5)
LIST = Target("median", 4)
RUNNING = Target("median", 10)
STALL = Target("worst", 50)
IDLE = Target("worst", 0.5)

FLOOR_PATH = "/healthz"
API_FLOOR_PATH = "/api/sessions/running"
"""A small list: the first request of a program loads the API."""


@dataclass(slots=True)
class Page:
    """A list: its path, and what was measured, in ms."""

    what: str
    path: str
    first_target: Target
    warm_target: Target
    first: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sandbox = Sandbox(home / "home").make()
        many_sessions.generate(sandbox.config_dir)
        found = list(_figures(sandbox, write_stand_in(home / "claude")))
        return [*found, _running(sandbox, ticks.write_ticker(home))]


def pages() -> list[Page]:
    project = project_id(many_sessions.WORK / many_sessions.project_name(0))
    return [
        Page("Home", "/", FIRST, HOME),
        Page("The list of projects", "/projects", FIRST, LIST),
        Page(f"A project of {SESSIONS} sessions", f"/projects/{project}", FIRST, LIST),
        Page("The API's list of all projects", "/api/projects", FIRST, LIST),
    ]


def _figures(sandbox: Sandbox, claude: Path) -> Iterator[Figure]:
    prepare(sandbox, claude)
    bare, nothing_kept = _bare_reads(sandbox), _first_of_all(sandbox, claude)
    api_floor = _firsts_of_api(sandbox, claude)
    measured, floor, before = pages(), list[float](), list[float]()
    for page in measured:
        for _ in range(STARTS):
            with running_server(sandbox, claude) as server:
                before.append(health(server)["worst_ms"])
                floor += times(server, FLOOR_PATH, 5)
                page.first += times(server, page.path, 1)
                times(server, "/api/projects", 1)  # all files have been read
                page.stalls.append(health(server)["worst_ms"])
    for page in measured:
        is_api = page.path.startswith("/api/")
        floor_is, samples = (API_FLOOR_PATH, api_floor) if is_api else (FLOOR_PATH, floor)
        yield Figure(f"{page.what}, first", "ms", page.first, floor_is, samples, page.first_target)
    what = f"{measured[-1].what}, first of all: each file is read"
    yield Figure(what, "ms", nothing_kept, "bare reads of their ends", bare)
    for page in measured:
        what = f"{page.what}, first: the hub was held, at most"
        yield Figure(what, "ms", page.stalls, "no list", before, STALL)
    yield from _warm(sandbox, claude, measured, "")
    copy = with_hard_links(sandbox)
    yield from _warm(sandbox, claude, measured[:1], f", each file with a hard link in {copy.name}/")


def _first_of_all(sandbox: Sandbox, claude: Path) -> list[float]:
    """The list of all projects where nothing was kept; then what later starts begin with is."""
    kept, found = sandbox.state / "summaries", []
    for _ in range(STARTS // 2):
        kept.unlink(missing_ok=True)
        with running_server(sandbox, claude) as server:
            found += times(server, "/api/projects", 1)
            times(server, "/projects", 1)  # a page keeps what was read
            until(kept.exists, "the summaries are kept")
    return found


def _firsts_of_api(sandbox: Sandbox, claude: Path) -> list[float]:
    """The first request of a program for a list with nothing in it."""
    found = []
    for _ in range(STARTS):
        with running_server(sandbox, claude) as server:
            times(server, FLOOR_PATH, 5)
            found += times(server, API_FLOOR_PATH, 1)
    return found


def _bare_reads(sandbox: Sandbox) -> list[float]:
    """Milliseconds in which the end of each file is read, in which a name may stand."""
    files = sorted(history.root(sandbox.config_dir).glob("*/*.jsonl"))
    found = []
    for _ in range(STARTS):
        began = time.perf_counter()
        for path in files:
            with path.open("rb", buffering=0) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - NAMES_TAIL))
                file.read(NAMES_TAIL)
        found.append((time.perf_counter() - began) * 1000)
    return found


def _warm(sandbox: Sandbox, claude: Path, measured: Sequence[Page], how: str) -> Iterator[Figure]:
    with running_server(sandbox, claude) as server:
        nothing = idle(server, IDLE_SECONDS / 2)
        times(server, "/api/projects", 1)
        for page in measured:
            times(server, page.path, 3)
            found, floor = times(server, page.path), times(server, FLOOR_PATH)
            yield Figure(
                f"{page.what}, again{how}", "ms", found, FLOOR_PATH, floor, page.warm_target
            )
        cost = idle(server, IDLE_SECONDS)
        what = f"{PROJECTS * SESSIONS:,} sessions watched, idle{how}"
        yield Figure(what, "% of a core", [cost], "none watched", [max(nothing, 0.05)], IDLE)


def _running(sandbox: Sandbox, claude: Path) -> Figure:
    """The page of running sessions, with as many as there can be."""
    settings = {"OPCODE_MAX_RUNS": str(RUNS), "OPCODE_IDLE_TIMEOUT": "0"}
    with running_server(sandbox, claude, **settings) as server:
        for _ in range(RUNS):
            ticks.begin(server)
        times(server, "/runs", 3)
        found, floor = times(server, "/runs"), times(server, FLOOR_PATH)
    return Figure(f"/runs with {RUNS} runs", "ms", found, FLOOR_PATH, floor, RUNNING)


def idle(server: Server, seconds: float) -> float:
    """The percentage of a core that the worker takes while nobody asks for anything."""
    pids = [worker_of(server).pid]
    time.sleep(2)  # what the last request has begun is over
    return idle_share(pids, seconds)


def with_hard_links(sandbox: Sandbox) -> Path:
    """A backup as `cp -al` makes it."""
    backup = sandbox.home / "backup"
    for path in (sandbox.config_dir / "projects").glob("*/*.jsonl"):
        folder = backup / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        os.link(path, folder / path.name)
    return backup
