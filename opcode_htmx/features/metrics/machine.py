"""Gauges of the server: its runs by state, the queue, memory, processes and the disk.

They come from what all workers see, so that it does not matter which one answers.
"""

from __future__ import annotations

import os
import time
from collections import Counter as Tally
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.metrics.families import Family, Gauge, Reading
from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.lib.version import __version__
from opcode_htmx.runs.model.lifecycle import LIVE, Phase
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_table import Row
from opcode_htmx.runs.supervisor import Supervisor

OLD_SECONDS = 2.0
"""How old the list of processes may be."""

INFO = Gauge("opcode_info", "The version of the server; always 1", {"version": (__version__,)})
RUNS = Gauge(
    "opcode_runs",
    "Live runs by their state",
    {"state": tuple(phase.value for phase in Phase if phase in LIVE)},
)
WARM = Gauge("opcode_runs_unused", "Processes that were started ahead and have no prompt yet")
QUEUE_SECONDS = Gauge("opcode_queue_seconds", "How long the first run in the queue has waited")
WORKERS = Gauge("opcode_workers", "Workers of the server that are alive")
SERVER_MEMORY = Gauge(
    "opcode_server_memory_bytes",
    "Resident memory of the server: its workers, their parent, and what they have started beside "
    "runs, such as the indexer",
    {"process": ("worker", "parent", "helper")},
)
RUN_MEMORY = Gauge(
    "opcode_run_memory_bytes",
    "Resident memory of the live runs: Claude itself, and what it has started",
    {"process": ("claude", "tool")},
)
RUN_PROCESSES = Gauge(
    "opcode_run_processes", "Processes of the live runs", {"process": ("claude", "tool")}
)
DISK_FREE = Gauge("opcode_disk_free_bytes", "Space that is left where the state folder is")
DISK_SIZE = Gauge("opcode_disk_size_bytes", "Size of the file system of the state folder")
DISK_NEEDED = Gauge(
    "opcode_disk_needed_bytes", "Space without which no run starts: OPCODE_MIN_FREE"
)

FAMILIES: tuple[Family, ...] = (
    *(INFO, RUNS, WARM, QUEUE_SECONDS, WORKERS),
    *(SERVER_MEMORY, RUN_MEMORY, RUN_PROCESSES, DISK_FREE, DISK_SIZE, DISK_NEEDED),
)


class Machine:
    """Measures the gauges."""

    def __init__(
        self,
        runs: Supervisor,
        metrics: MetricStore,
        processes: ProcessMonitor,
        state: Path,
        min_free: int,
    ) -> None:
        """`state` is the state folder, `min_free` the bytes that a start of a run needs."""
        self._runs = runs
        self._metrics = metrics
        self._processes = processes
        self._state = state
        self._min_free = min_free

    def measure(self) -> Iterator[Reading]:
        yield Reading(INFO, 1, (__version__,))
        yield from self._run_states()
        yield from self._memory()
        yield from self._disk()

    def _run_states(self) -> Iterator[Reading]:
        live = self._runs.live()
        phases = Tally(run.phase for run in live)
        for phase in RUNS.labels["state"]:
            yield Reading(RUNS, phases[Phase(phase)], (phase,))
        yield Reading(WARM, len(self._runs.unused()))
        waiting = [run.record.created_at for run in live if run.phase is Phase.QUEUED]
        yield Reading(QUEUE_SECONDS, max(0.0, time.time() - min(waiting)) if waiting else 0.0)

    def _memory(self) -> Iterator[Reading]:
        workers = set(self._metrics.workers())
        yield Reading(WORKERS, len(workers))
        families = self._processes.families(OLD_SECONDS)
        memory, count = Tally[str](), Tally[str]()
        for run in (*self._runs.live(), *self._runs.unused()):
            for row in families[run.id].rows if run.id in families else ():
                kind = "claude" if row.pid == run.record.pid else "tool"
                memory[kind] += row.memory_bytes
                count[kind] += 1
        for kind in RUN_MEMORY.labels["process"]:
            yield Reading(RUN_MEMORY, memory[kind], (kind,))
            yield Reading(RUN_PROCESSES, count[kind], (kind,))
        server = Tally[str]()
        for row, kind in self._server(workers):
            server[kind] += row.memory_bytes
        for kind in SERVER_MEMORY.labels["process"]:
            yield Reading(SERVER_MEMORY, server[kind], (kind,))

    def _server(self, workers: set[int]) -> Iterator[tuple[Row, str]]:
        """The server's own processes, each with its kind."""
        rows = self._processes.others(OLD_SECONDS)
        parents = {row.parent for row in rows if row.pid in workers}
        for row in rows:
            if row.pid in workers:
                yield row, "worker"
            elif row.pid in parents and row.pid != 1:
                yield row, "parent"
            elif row.parent in workers:
                yield row, "helper"

    def _disk(self) -> Iterator[Reading]:
        found = os.statvfs(self._state)
        yield Reading(DISK_FREE, found.f_bavail * found.f_frsize)
        yield Reading(DISK_SIZE, found.f_blocks * found.f_frsize)
        yield Reading(DISK_NEEDED, self._min_free)
