"""The index of five thousand sessions: what else is slower while it is made, and what it costs.

A session is followed while the index is made from nothing, and before that without an index. Then
lines are appended to random sessions, as many as in an hour of heavy use, as fast as they are
indexed, and the lists are requested meanwhile.
"""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.data import many_sessions, material
from bench.data.many_sessions import PROJECTS, SESSIONS
from bench.figures import Figure, Target, percentile
from bench.parts.archive import lists
from bench.parts.archive.lists import IDLE, IDLE_SECONDS, STALL
from bench.server import cpu_seconds, health, prepare, running_server, times, worker_of
from bench.traffic import ticks
from bench.traffic.ticks import Series
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import Sandbox, until
from tests.support.server import Server

SERIES = Series("stream", 400, 0.05)
"""To be over before the index is made, which takes half a minute on a fast machine."""
PARTS = 4
"""Of the series: a p99 is taken of each."""
ROUNDS, PICKED, LINES_OF_ONE = 120, 50, 4
"""24,000 lines: what twenty sessions write in an hour, each a line every three seconds."""
MOST_SECONDS = 900.0
"""For the index to be made."""
MB = 1e6

FRAGMENT = Target("p99", 50)
SAME = Target("ratio", 1.5)
GROWTH = Target("worst", 5)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sandbox = Sandbox(home / "home").make()
        many_sessions.generate(sandbox.config_dir)
        return list(_figures(sandbox, ticks.write_ticker(home)))


def _figures(sandbox: Sandbox, claude: Path) -> Iterator[Figure]:
    prepare(sandbox, claude)
    with running_server(sandbox, claude) as server:
        alone, held_alone = _followed(server)
    with running_server(sandbox, claude, OPCODE_SEARCH_INDEX="1") as server:
        beside, held = _followed(server)
        progress = _progress(database_of(sandbox))
        assert progress < 1, "the index was made before the session was followed to its end"
        what, none = "While the index is made", "no index"
        yield Figure(f"{what}: a piece to its fragment", "ms", beside, none, alone, FRAGMENT)
        yield Figure(f"{what}: the p99 of that", "ms", _p99s(beside), none, _p99s(alone), SAME)
        yield Figure(f"{what}: the hub was held, at most", "ms", held, none, held_alone, STALL)
        until(lambda: _progress(database_of(sandbox)) == 1, "the index is made", MOST_SECONDS)
        yield from _idle(server)
        yield from _an_hour(sandbox, server)


def _followed(server: Server) -> tuple[list[float], list[float]]:
    """The delays of a series on the page of its session, and the longest time of the hub, in ms.

    Without the first page of the server, which loads what pages are made of.
    """
    delays = ticks.through_app(server, SERIES)
    return delays, [health(server, int(SERIES.count * SERIES.pause))["worst_lately_ms"]]


def _p99s(delays: Sequence[float]) -> list[float]:
    size = len(delays) // PARTS
    return [percentile(delays[at * size : (at + 1) * size], 0.99) for at in range(PARTS)]


def _idle(server: Server) -> Iterator[Figure]:
    indexer = indexer_of(server)
    times(server, "/api/projects", 1)
    time.sleep(2)
    before = cpu_seconds([indexer.pid])
    worker = lists.idle(server, IDLE_SECONDS)
    share = (cpu_seconds([indexer.pid]) - before) / (IDLE_SECONDS + 2) * 100
    what = f"{PROJECTS * SESSIONS:,} sessions watched, idle: the process of the index"
    yield Figure(what, "% of a core", [share], "the server", [max(worker, 0.05)], IDLE)


# --- an hour of lines ---------------------------------------------------------------------------


@dataclass(slots=True)
class Writers:
    """Programs that go on with sessions, each where it has ended."""

    root: Path
    files: Sequence[Path]
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    tips: dict[Path, str] = field(default_factory=dict)
    count: int = 0

    def write(self) -> dict[str, int]:
        """Append lines to random sessions; the new sizes of their files."""
        sizes = {}
        for path in self.chance.sample(self.files, PICKED):
            data = "".join(self._line(path, number) for number in range(LINES_OF_ONE)).encode()
            with path.open("ab") as file:
                file.write(data)
            sizes[str(path.relative_to(self.root))] = path.stat().st_size
        return sizes

    def _line(self, path: Path, number: int) -> str:
        """A prompt, then Claude's call and its result, then an answer."""
        self.count += 1
        parent = self.tips.get(path) or _tip(path)
        self.tips[path] = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        text, call = material.code(self.count, 20), f"toolu_{self.count // LINES_OF_ONE:024}"
        message: dict[str, object]
        match number % 4:
            case 0:
                message = {"role": "user", "content": f"Go on with {text[:200]}"}
            case 1:
                use = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": "ls"}}
                message = {"role": "assistant", "id": f"msg_{self.count}", "content": [use]}
            case 2:
                result = {"type": "tool_result", "tool_use_id": call, "content": text}
                message = {"role": "user", "content": [result]}
            case _:
                said = {"type": "text", "text": text}
                message = {"role": "assistant", "id": f"msg_{self.count}", "content": [said]}
        entry = {
            "parentUuid": parent,
            "isSidechain": False,
            "type": message["role"],
            "message": message,
            "uuid": self.tips[path],
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "sessionId": path.stem,
        }
        return f"{json.dumps(entry, separators=(',', ':'))}\n"


def _tip(path: Path) -> str | None:
    """The newest entry of a file."""
    entries = (json.loads(line) for line in reversed(path.read_bytes().splitlines()))
    return next((each["uuid"] for each in entries if "uuid" in each), None)


def _an_hour(sandbox: Sandbox, server: Server) -> Iterator[Figure]:
    root = history.root(sandbox.config_dir)
    writers = Writers(root, sorted(root.glob("*/*.jsonl")))
    project = project_id(many_sessions.WORK / many_sessions.project_name(0))
    processes = {"the server": worker_of(server), "the index": indexer_of(server)}
    memory: dict[str, list[float]] = {name: [] for name in processes}
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        sizes = writers.write()
        for path in ("/", f"/projects/{project}", "/search?q=the"):
            assert server.get(path).ok
        with closing(sqlite3.connect(database_of(sandbox))) as database:
            until(lambda: _are_read(database, sizes), "the lines are indexed", 60)  # noqa: B023
        seconds.append(time.perf_counter() - began)
        for name, process in processes.items():
            memory[name].append(process.memory_full_info().pss / MB)
    lines = PICKED * LINES_OF_ONE
    yield Figure(
        f"{lines} new lines of {PICKED} sessions are indexed after", "s", seconds, "a look", [1.0]
    )
    for name, samples in memory.items():
        early = samples[ROUNDS // 10 - 1]
        grown = [each - early for each in samples[-(ROUNDS // 10) :]]
        what = f"{ROUNDS * lines:,} lines later: the memory of {name} has grown by"
        yield Figure(what, "MB", grown, f"after {ROUNDS * lines // 10:,}", [early], GROWTH)


def _are_read(database: sqlite3.Connection, sizes: Mapping[str, int]) -> bool:
    marks = ",".join("?" * len(sizes))
    rows = database.execute(f"SELECT path, read FROM file WHERE path IN ({marks})", [*sizes])  # noqa: S608
    return dict(rows.fetchall()) == sizes


# --- the process of the index -------------------------------------------------------------------


def database_of(sandbox: Sandbox) -> Path:
    return sandbox.state / "index" / "sessions.sqlite"


def indexer_of(server: Server) -> psutil.Process:
    """The process that keeps the index."""
    children = worker_of(server).children()
    (found,) = (each for each in children if "index.indexer" in " ".join(each.cmdline()))
    return found


def _progress(database: Path) -> float:
    """The part of the history that has been read, from 0 to 1."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as opened:
        total, read = opened.execute("SELECT bytes, bytes_read FROM progress").fetchone()
    return read / total if total else 0.0
