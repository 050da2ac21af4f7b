"""Orphans: processes of ended runs that are still alive, found, and ended on request.

A process is ours when its tag names the folder of its run and that folder is, or was, in our state
folder: another opcode-htmx on this machine has another one.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

import gevent

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.model.record import RUN_ID
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_table import command_line, is_alive, send, started_at
from opcode_htmx.runs.processes.usage import Usage

GRACE_SECONDS = 2.0
"""How long one orphan may take to end after SIGTERM."""
POLL_SECONDS = 0.02


class NoOrphans(Exception):
    """Nothing of this run is alive."""


class NotAnOrphan(Exception):
    """A process is none of the listed ones, or not any more; the text says so."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """One orphan; `at` is when it was started, as a Unix time."""

    pid: int
    command: str
    at: float
    started: float
    """By the kernel's own count: with the pid it means this process only."""


@dataclass(frozen=True, slots=True)
class OrphanGroup:
    """All orphans of one run."""

    run_id: str
    processes: tuple[Orphan, ...]
    usage: Usage

    @property
    def at(self) -> float:
        """When the oldest of them was started."""
        return min(orphan.at for orphan in self.processes)


class Orphans:
    def __init__(
        self, monitor: ProcessMonitor, runs_dir: Path, live: Callable[[], Collection[str]]
    ) -> None:
        """`live` returns the ids of the live runs."""
        self._monitor = monitor
        self._runs_dir = runs_dir.resolve()
        self._begins = f"{self._runs_dir}/"
        self._live = live

    def found(self) -> list[OrphanGroup]:
        """The orphans of all ended runs, the oldest first."""
        trees = self._monitor.families(leave_out=self._live)
        groups = [
            OrphanGroup(
                run_id,
                tuple(
                    Orphan(row.pid, command_line(row.pid), started_at(row.key), row.started)
                    for row in sorted(tree.rows, key=lambda row: row.started)
                ),
                self._monitor.sum_up(tree.rows),
            )
            for run_id, tree in trees.items()
            if self._is_ours(run_id, tree.folder) and self._ended(run_id)
        ]
        return sorted(groups, key=lambda each: each.at)

    def end(self, run_id: str) -> None:
        """End the orphans of a run. Raises NoOrphans."""
        if run_id not in {each.run_id for each in self.found()}:
            raise NoOrphans("Nothing of this run is left; it may have ended just now.")
        self._monitor.sweep(run_id)

    def end_process(self, pid: int, started: float) -> None:
        """End one orphan, with SIGTERM and then with SIGKILL. Raises NotAnOrphan.

        `started` is its start by the kernel's count, as the list has it: another process may have
        the pid by now.
        """
        key = ProcessKey(pid, started)
        listed = {(each.pid, each.started) for group in self.found() for each in group.processes}
        if (pid, started) not in listed or not is_alive(key):
            raise NotAnOrphan("This process is not in the list of those that were left behind.")
        send(key, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while is_alive(key):
            gevent.sleep(POLL_SECONDS)
            if time.monotonic() > deadline:
                send(key, signal.SIGKILL)

    def end_all(self) -> None:
        sweeps = [gevent.spawn(self._monitor.sweep, each.run_id) for each in self.found()]
        gevent.joinall(sweeps)

    def _is_ours(self, run_id: str, folder: str) -> bool:
        return bool(RUN_ID.fullmatch(run_id)) and folder == f"{self._begins}{run_id}"

    def _ended(self, run_id: str) -> bool:
        """Whether its record has an end, or is gone: this worker need not know a run of another."""
        try:
            return RunFolder(self._runs_dir / run_id).load().end is not None
        except FileNotFoundError:
            return True
        except (OSError, ValueError, KeyError, TypeError):
            return False
