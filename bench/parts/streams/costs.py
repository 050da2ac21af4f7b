"""CPU time: of a line, of forty runs at once, of a thousand lines by viewer, and of idle runs.

The time is that of all processes of the server, without the stand-ins for Claude. Floors do the
same without the app: a bare tail, and nothing where nothing happens.
"""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.figures import Figure, Target
from bench.parts.streams import json_lines
from bench.server import cpu_seconds, idle_share, processes, running_server, wait_until_quiet
from bench.traffic import ticks
from bench.traffic.clients import PAUSE, clients_of, program_of, received
from bench.traffic.ticks import Series
from tests.support.environment import Sandbox, runs_of
from tests.support.server import Server

ROUNDS = 5
SINGLE = Series("lines", 300, 0.02)
RUNS = 40
OF_EACH = Series("lines", 600, PAUSE)
THOUSAND = Series("lines", 1000, 0.05)
IDLE_SECONDS = 40.0
SETTLE_SECONDS = 5.0
LOOK_SECONDS = 0.1
START_SECONDS = 0.5
"""Until a bare tail waits for its file."""
MS = 1000.0

PER_LINE = Target("ratio", 1.3)
P99_OF_MANY = Target("p99", 1.5)
MOST_BY_VIEWER = {"nobody": 300.0, "a program": 450.0, "a page": 1200.0}
"""ms of CPU for a thousand lines."""
MOST_IDLE = {0: 0.1, 50: 0.3, 200: 0.5}
"""% of a core, by the number of idle runs."""
SETTINGS = {"OPCODE_MAX_RUNS": str(max(MOST_IDLE) + 10), "OPCODE_SEARCH_INDEX": "1"}

IDLER = """#!/bin/sh
case "$1" in
--version) echo '2.1.330 (Claude Code)'; exit ;;
auth) echo '{"loggedIn": true}'; exit ;;
esac
while read -r line; do
  case "$line" in
  *'"initialize"'*)
    id=${line#*'"request_id"'*'"'}
    echo '{"type": "control_response", "response": {"subtype": "success", "request_id":' \\
      '"'${id%%'"'*}'", "response": {}}}' ;;
  *'"type": "user"'*|*'"type":"user"'*)
    echo "$line" | sed 's/^{/{"isReplay": true, /'
    echo '{"type": "result", "subtype": "success", "uuid": "'$$'"}' ;;
  esac
done
"""
"""A stand-in that answers each prompt with the end of its turn. A shell, of which many take little
memory."""


def measure() -> list[Figure]:
    return [*_lines(), *_many_runs(), *_idle()]


@contextmanager
def _server_at_rest(write: Callable[[Path], Path]) -> Iterator[tuple[Server, list[int]]]:
    """A server that has nothing more to do after its start, and the pids of its processes.

    `write` makes its stand-in for Claude in a folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with running_server(Sandbox(home / "home").make(), write(home), **SETTINGS) as server:
            pids = processes(server)
            wait_until_quiet(pids)
            yield server, pids


def _lines() -> Iterator[Figure]:
    with _server_at_rest(ticks.write_ticker) as (server, pids):
        ours, bare = [], []
        for _ in range(ROUNDS):
            ours.append(_of_line(server, pids))
            bare.append(_of_bare_line(SINGLE))
        what = "CPU of a line to a program, one every 20 ms"
        yield Figure(what, "ms", ours, "bare tail", bare, PER_LINE)
        floor = [_of_bare_line(THOUSAND) * THOUSAND.count]
        for who, most in MOST_BY_VIEWER.items():
            used = [_cpu_of(server, pids, THOUSAND, who)]
            what = f"CPU of 1,000 lines, 20/s, {who} looks"
            yield Figure(what, "ms", used, "bare tail", floor, Target("median", most))


def _of_line(server: Server, pids: Sequence[int]) -> float:
    """Milliseconds for each line of a series to a client of /ws/claude."""
    return _cpu_of(server, pids, SINGLE, "a program") / SINGLE.count


def _cpu_of(server: Server, pids: Sequence[int], series: Series, who: str) -> float:
    """Milliseconds of the server for a series of a session of its own, until the last line."""
    address = ticks.begin(server)
    with _looking(server, address, who) as receive:
        ticks.prompt(server, address, series)
        began = cpu_seconds(pids)
        ticks.arrivals(receive, series.count)
        used = cpu_seconds(pids) - began
    stopped = server.post(f"/runs/{_run_of(server, address).name}/stop", {})
    assert stopped.status_code == 303, stopped.text
    return used * MS


@contextmanager
def _looking(server: Server, address: str, who: str) -> Iterator[Callable[[], bytes]]:
    """Read what `who` gets of a session; for nobody, from the file of its run."""
    match who:
        case "a page":
            with ticks.page_of(server, address) as page:
                yield lambda: page.recv_data()[1]
        case "a program":
            with json_lines.client(server) as connection:
                connection.send(program_of(address)["says"])
                plain = json_lines.plain(connection)
                yield lambda: plain.recv(json_lines.RECEIVED)
        case _:
            with (_run_of(server, address) / "out.ndjson").open("rb") as output:

                def new() -> bytes:
                    time.sleep(LOOK_SECONDS)
                    return output.read()

                yield new


def _run_of(server: Server, address: str) -> Path:
    """The folder of the newest run of the session at an address."""
    return runs_of(server.sandbox.state, address.rpartition("/")[2])[-1]


def _of_bare_line(series: Series) -> float:
    """Milliseconds of a bare tail for each line of a series."""
    with tempfile.NamedTemporaryFile() as named:
        file = Path(named.name)
        with (
            ticks.tail_of(file) as (pid, port),
            socket.create_connection(("127.0.0.1", port), ticks.SILENCE_SECONDS) as client,
        ):
            time.sleep(START_SECONDS)
            began = cpu_seconds([pid])
            with ticks.bare_ticker(file, series):
                ticks.arrivals(lambda: client.recv(json_lines.RECEIVED), series.count)
            return (cpu_seconds([pid]) - began) * MS / series.count


def _many_runs() -> Iterator[Figure]:
    delays, cpu = _of_many(RUNS)
    bare_delays, bare_cpu = _of_many_bare(RUNS)
    what = f"{RUNS} runs, 20 lines/s of each: a line to a program"
    yield Figure(what, "ms", delays, "bare tail", bare_delays, P99_OF_MANY)
    what = f"{RUNS} runs, 20 lines/s of each: CPU of {RUNS * OF_EACH.count:,} lines"
    yield Figure(what, "s", [cpu], "bare tail", [bare_cpu], PER_LINE)


def _of_many(runs: int) -> tuple[Sequence[float], float]:
    """The milliseconds of each line of so many runs, and the server's CPU seconds."""
    with _server_at_rest(ticks.write_ticker) as (server, pids):
        addresses = [ticks.begin(server) for _ in range(runs)]
        programs = [program_of(address) for address in addresses]
        with clients_of(server.port, programs, OF_EACH.count) as clients:
            time.sleep(SETTLE_SECONDS)
            began = cpu_seconds(pids)
            for address in addresses:
                ticks.prompt(server, address, OF_EACH)
            delays, _ = received(clients)
            return delays, cpu_seconds(pids) - began


def _of_many_bare(runs: int) -> tuple[Sequence[float], float]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        files = [Path(folder) / str(number) for number in range(runs)]
        for file in files:
            file.touch()
        pid, port = stack.enter_context(ticks.tail_of(*files))
        plain = [{"path": "", "says": ""}] * runs
        clients = stack.enter_context(clients_of(port, plain, OF_EACH.count))
        began = cpu_seconds([pid])
        for file in files:
            stack.enter_context(ticks.bare_ticker(file, OF_EACH))
        delays, _ = received(clients)
        return delays, cpu_seconds([pid]) - began


def _idle() -> Iterator[Figure]:
    """A server's CPU while nothing happens, with more and more idle runs."""
    with _server_at_rest(_write_idler) as (server, pids):
        begun = 0
        for runs, most in MOST_IDLE.items():
            while begun < runs:
                ticks.begin(server)
                begun += 1
            time.sleep(SETTLE_SECONDS)
            share = idle_share(pids, IDLE_SECONDS)
            what, target = f"CPU with {runs} idle runs", Target("median", most)
            yield Figure(what, "% of a core", [share], "nothing", [0.0], target)


def _write_idler(folder: Path) -> Path:
    idler = folder / "claude"
    idler.write_text(IDLER, "utf-8")
    idler.chmod(0o700)
    return idler
