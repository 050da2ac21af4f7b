"""What runs that have ended have left alive all the same: found, and ended on request.

A process is ours when it says in which run's folder it was started and that folder is, or was, in
our state folder: another opcode-htmx on this machine has another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import gevent

from opcode_htmx.runs.model.record import RUN_ID
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor, Usage
from opcode_htmx.runs.processes.process_table import command_line, started_at


class NoOrphans(Exception):
    """Nothing of this run is alive."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """One process that was left behind; `at` is when it was started, as a Unix time."""

    pid: int
    command: str
    at: float


@dataclass(frozen=True, slots=True)
class OrphanGroup:
    """All that one run has left behind."""

    run_id: str
    processes: tuple[Orphan, ...]
    usage: Usage

    @property
    def at(self) -> float:
        """When the oldest of them was started."""
        return min(orphan.at for orphan in self.processes)


class Orphans:
    def __init__(
        self, census: ProcessMonitor, runs_dir: Path, live: Callable[[], Collection[str]]
    ) -> None:
        """`live` gives the ids of the runs that live."""
        self._census = census
        self._runs_dir = runs_dir.resolve()
        self._live = live

    def found(self) -> list[OrphanGroup]:
        """What is alive of runs that have ended, the oldest first."""
        families = self._census.families()
        live = self._live()  # after the look: what was started since is not in it
        left = [
            OrphanGroup(
                run_id,
                tuple(
                    Orphan(row.pid, command_line(row.pid), started_at(row.key))
                    for row in sorted(family.rows, key=lambda row: row.started)
                ),
                self._census.sum_up(family.rows),
            )
            for run_id, family in families.items()
            if self._is_ours(run_id, family.folder) and run_id not in live and self._ended(run_id)
        ]
        return sorted(left, key=lambda each: each.at)

    def end(self, run_id: str) -> None:
        """End what a run has left behind. Raises NoOrphans."""
        if run_id not in {each.run_id for each in self.found()}:
            raise NoOrphans("Nothing of this run is left; it may have ended just now.")
        self._census.sweep(run_id)

    def end_all(self) -> None:
        sweeps = [gevent.spawn(self._census.sweep, each.run_id) for each in self.found()]
        gevent.joinall(sweeps)

    def _is_ours(self, run_id: str, folder: str) -> bool:
        return bool(RUN_ID.fullmatch(run_id)) and Path(folder) == self._runs_dir / run_id

    def _ended(self, run_id: str) -> bool:
        """Whether the record says so, or is gone: another worker may have a run we do not know."""
        try:
            return RunFolder(self._runs_dir / run_id).load().end is not None
        except FileNotFoundError:
            return True
        except (OSError, ValueError, KeyError, TypeError):
            return False
