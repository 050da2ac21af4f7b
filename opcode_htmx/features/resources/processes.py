"""The processes of runs, those that they have left behind, and others without a parent.

Only what an ended run of this server has left is ever ended from here: its tag says so. Others that
have lost their parent are shown, because they use the machine, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Set

import psutil

from opcode_htmx.features.resources.known_services import KNOWN_SERVICES
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.processes.orphans import OrphanGroup, Orphans
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_table import command_line
from opcode_htmx.runs.processes.usage import Usage
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.web.http.forms import session_url

LISTED = 50


@dataclass(frozen=True, slots=True)
class RunningSession:
    """A session with processes; `address` is empty if its page is gone."""

    run_id: str
    session_id: str
    title: str
    project: str
    address: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Stray:
    """A process of this user whose parent has ended, and that belongs to no run of ours.

    `at` is a Unix time.
    """

    pid: int
    command: str
    at: float
    memory_bytes: int


class ProcessList:
    """Lists processes, and ends orphans."""

    def __init__(
        self,
        supervisor: Supervisor,
        lookup: SessionLookup,
        monitor: ProcessMonitor,
        orphans: Orphans,
        of_terminals: Callable[[], Set[int]] = frozenset,
    ) -> None:
        """`of_terminals` gives the processes that own terminals, which have no parent by design."""
        self._of_terminals = of_terminals
        self._supervisor = supervisor
        self._lookup = lookup
        self._monitor = monitor
        self._orphans = orphans

    def running(self) -> list[RunningSession]:
        """The sessions in which something runs, the largest first."""
        live = self._supervisor.live()
        usages = self._monitor.usages([run.id for run in live])
        found = []
        for run in live:
            location = self._lookup.locations.of_run(run)
            found.append(
                RunningSession(
                    run_id=run.id,
                    session_id=location.session_id,
                    title=self._lookup.title_of_run(run),
                    project=location.project_name,
                    address=session_url(location.claude_folder, location.session_id),
                    usage=usages.get(run.id, Usage()),
                )
            )
        return sorted(found, key=lambda each: -each.usage.memory_bytes)

    def orphans(self) -> list[OrphanGroup]:
        """What ended runs have left behind, the oldest first."""
        return self._orphans.found()

    def end(self, pid: int, started: float) -> None:
        """End an orphan. Raises NotAnOrphan."""
        self._orphans.end_process(pid, started)

    def strays(self) -> list[Stray]:
        """Other processes without a parent that are no known services, the oldest first."""
        owned = {row.pid for family in self._monitor.families().values() for row in family.rows}
        owned |= self._of_terminals()
        found = run_in_thread(lambda: list(_without_parent(owned)))
        return sorted(found, key=lambda each: each.at)[:LISTED]


def _without_parent(owned: set[int]) -> Iterator[Stray]:
    own = {os.getpid(), *(each.pid for each in psutil.Process().parents())}
    group, uid = os.getpgrp(), os.getuid()
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                name = process.name()
                if (
                    process.ppid() != 1
                    or process.pid in own | owned
                    or process.uids().real != uid
                    or name in KNOWN_SERVICES
                    or name.startswith("tmux")
                    or process.status() == psutil.STATUS_ZOMBIE
                    or os.getpgid(process.pid) == group
                ):
                    continue
                memory, at = process.memory_info().rss, process.create_time()
            yield Stray(process.pid, command_line(process.pid), at, memory)
        except (psutil.Error, OSError):
            continue
