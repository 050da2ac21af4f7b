"""Who is alive on this machine, as far as it concerns our runs: their families, and their end.

One picture of all processes serves everybody who asks at the same time, and is taken in small
steps, so that the hub is never held up. While runs live a picture is taken every second: whoever
was once seen in a run's family stays in it, however far it goes.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import gevent
from gevent.event import Event as Flag

from opcode_htmx.lib.cooperative import TimeSlicer, yield_to_loop
from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.processes import process_reaper, process_table
from opcode_htmx.runs.processes.process_reaper import SWEEP_SECONDS
from opcode_htmx.runs.processes.process_table import (
    Row,
    RunTag,
    RunTagCache,
)

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
CPU_SECONDS, OLD_SECONDS = 0.5, 30.0
"""The least and the most time over which it is told how busy somebody is."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run takes of the machine, with all that it has started."""

    memory_bytes: int = 0
    """Resident. What several processes share counts for each."""
    cpu_percent: float = 0.0
    """Of one core."""
    processes: int = 0


@dataclass(slots=True)
class ProcessSnapshot:
    """The processes that were alive. `at` is when it was begun, by the monotonic clock."""

    at: float
    rows: dict[int, Row] = field(default_factory=dict)
    looked_at: set[int] = field(default_factory=set)
    """The pids that there were, also those of which only the exit status is left."""
    owners: dict[int, RunTag] = field(default_factory=dict)
    """The run of each that belongs to one."""
    listed_at: float = float("-inf")
    """When those were added that had been started since."""


@dataclass(slots=True)
class ProcessTree:
    """The processes of one run. `folder` is the run's, if they know it."""

    rows: list[Row] = field(default_factory=list)
    folder: str = ""


class ProcessMonitor:
    """The census of one server."""

    def __init__(self) -> None:
        self._picture = ProcessSnapshot(float("-inf"))
        self._before: ProcessSnapshot | None = None
        """An earlier one, to tell from the two how busy everybody was."""
        self._taking: Flag | None = None
        self._marks = RunTagCache()
        self._kin: dict[ProcessKey, RunTag] = {}
        """Whoever was once seen in a family, as long as it lives."""
        self._tracked: dict[str, ProcessKey] = {}
        """Claude's process in each run that lives here."""
        self._watch: gevent.Greenlet[[], None] | None = None
        self._own_group = os.getpgrp()

    # --- asking -----------------------------------------------------------------------------

    def track(self, run_id: str, pid: int, folder: str = "") -> None:
        """Keep an eye on a run whose Claude is the process `pid`, for as long as that lives."""
        key = process_table.key_of(pid)
        if key is None:
            return
        self._tracked[run_id] = key
        carried = self._marks.of(key)
        known = carried and carried.run_id == run_id and not folder
        self._kin[key] = carried if carried and known else RunTag(run_id, folder)
        if self._watch is None or self._watch.dead:
            self._watch = gevent.spawn(self._look_around)

    def family(self, run_id: str, max_age: float = 0.0) -> list[Row]:
        """Every process of this run that is alive; `max_age` is how old that news may be."""
        picture = self._look(max_age)
        return [
            picture.rows[pid] for pid, owner in picture.owners.items() if owner.run_id == run_id
        ]

    def families(self, max_age: float = EVERY_SECONDS) -> dict[str, ProcessTree]:
        """All processes that belong to runs, of whichever server, by run id."""
        picture = self._look(max_age)
        found: dict[str, ProcessTree] = {}
        for pid, owner in picture.owners.items():
            family = found.setdefault(owner.run_id, ProcessTree())
            family.folder = family.folder or owner.folder
            family.rows.append(picture.rows[pid])
        return found

    def usage(self, run_id: str) -> Usage:
        """What a run takes of the machine just now; nothing, if nothing of it is alive."""
        return self.sum_up(self.family(run_id, EVERY_SECONDS))

    def usages(self, run_ids: Collection[str]) -> dict[str, Usage]:
        """The same of these runs, by run id."""
        families = self.families()
        if not families.keys() >= set(run_ids):  # one has begun, or ended, just now
            families = self.families(max_age=0.0)
        return {
            run_id: self.sum_up(families[run_id].rows) if run_id in families else Usage()
            for run_id in run_ids
        }

    def sum_up(self, rows: Sequence[Row]) -> Usage:
        """What these processes take, which are of the newest picture."""
        cpu = sum(self._busy(row) for row in rows)
        return Usage(sum(row.memory_bytes for row in rows), 100 * cpu, len(rows))

    def _busy(self, row: Row) -> float:
        """The share of a core that a process takes: lately or, if it is new to us, on average."""
        before = self._before
        if before and self._picture.at - before.at < OLD_SECONDS:
            earlier = before.rows.get(row.pid)
            known = earlier is not None and earlier.key == row.key
            used = row.cpu_seconds - (earlier.cpu_seconds if earlier and known else 0.0)
            seconds = self._picture.at - before.at
            if known or process_table.age(row.key) <= seconds:
                return used / seconds
        return row.cpu_seconds / max(process_table.age(row.key), CPU_SECONDS)

    # --- ending -----------------------------------------------------------------------------

    def sweep(self, run_id: str, within: float = SWEEP_SECONDS) -> bool:
        """End all that a run has started, within so many seconds; whether nothing is left."""
        return process_reaper.reap_process_tree(self, run_id, within)

    def untrack(self, run_id: str) -> None:
        """A run of which nothing is left needs no eye on it."""
        self._tracked.pop(run_id, None)

    def seen(self, run_id: str, since: float) -> set[ProcessKey]:
        """Those of a run in the newest picture, and those that were started until `since`.

        Quicker than a new picture, it does not find out who has gone.
        """
        picture = self._picture
        if picture.listed_at <= since:
            began = time.monotonic()
            new = set(process_table.pids()) - picture.looked_at
            picture.looked_at |= new
            for row in filter(None, map(process_table.read, new)):
                picture.rows[row.pid] = row
                self._settle(row, picture)
            picture.listed_at = began
        return {
            picture.rows[pid].key for pid, owner in picture.owners.items() if owner.run_id == run_id
        }

    def is_unsure(self) -> bool:
        """Whether somebody is there of whom nobody can say yet to which run it belongs."""
        return any(key.pid not in self._picture.owners for key in self._marks.undecided())

    # --- looking ----------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Look every second, as long as a run lives whose family could go astray."""
        while self._tracked:
            try:
                self._look(EVERY_SECONDS / 2)
                for run_id, root in list(self._tracked.items()):
                    if not process_table.is_alive(root) and not self.family(run_id, EVERY_SECONDS):
                        self._tracked.pop(run_id, None)
            except OSError:
                log.exception("the processes cannot be looked at just now")
            gevent.sleep(EVERY_SECONDS)

    def _look(self, max_age: float) -> ProcessSnapshot:
        """A picture that was begun when this was called, or at most so many seconds before."""
        wanted = time.monotonic() - max_age
        while self._picture.at < wanted:
            if self._taking:
                self._taking.wait()
                continue
            taking = self._taking = Flag()
            try:
                yield_to_loop()  # whoever asks at the same time gets the same one
                self._take()
            finally:
                self._taking = None
                taking.set()
        return self._picture

    def _take(self) -> None:
        picture = ProcessSnapshot(time.monotonic())
        known = {*self._marks.keys(), *self._kin}  # not what comes while we look
        pace = TimeSlicer()
        picture.looked_at.update(process_table.pids())
        # the youngest first: they are those that may be gone in a moment
        for pid in sorted(picture.looked_at, reverse=True):
            if row := process_table.read(pid):
                picture.rows[pid] = row
                self._marks.of(row.key)
            pace.step()
        for row in list(picture.rows.values()):
            self._settle(row, picture)
            pace.step()
        gone = known - {row.key for row in picture.rows.values()}
        self._marks.forget(gone)
        for key in gone:
            self._kin.pop(key, None)
        if picture.at - self._picture.at >= CPU_SECONDS:
            self._before = self._picture
        self._picture = picture

    def _settle(self, row: Row, picture: ProcessSnapshot) -> RunTag | None:
        """Find the run that a process belongs to, and keep it in mind."""
        owner = self._owner(row, picture)
        if owner:
            picture.owners[row.pid] = owner
            self._kin[row.key] = owner
        return owner

    def _owner(self, row: Row, picture: ProcessSnapshot) -> RunTag | None:
        """The run of a process: by its mark, by what it was before, by its parents.

        A run that is not ours counts last: what a server that was started in a run has started
        belongs to that run as well.
        """
        line: list[Row] = []
        while row.group != self._own_group:  # what serves is nobody's, wherever it was started
            mark = self._marks.of(row.key)
            if mark and mark.run_id in self._tracked:
                return mark
            if kin := self._kin.get(row.key):
                return kin
            line.append(row)
            parent = picture.rows.get(row.parent)
            # a parent that is younger has the pid of one that has gone
            if not parent or parent.started > row.started or parent in line:
                break
            row = parent
        return next((mark for each in reversed(line) if (mark := self._marks.of(each.key))), None)
