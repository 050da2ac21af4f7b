"""The processes of this machine that belong to runs: the process tree of each run, and its end.

One snapshot of all processes serves all callers at the same time, and is taken in small steps, so
that it never blocks the event loop. While runs are live the processes that are new are added to it
every second: a process once seen in a run's tree stays in it, whatever becomes of its parents.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import field

import gevent
from gevent.event import Event as Flag

from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, yield_to_loop
from opcode_htmx.lib.concurrency.rounds import TICKS
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.processes import process_reaper, process_table
from opcode_htmx.runs.processes.process_reaper import SWEEP_SECONDS
from opcode_htmx.runs.processes.process_table import Row, RunTag, RunTagCache
from opcode_htmx.runs.processes.usage import Readings, Usage

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
READ_SECONDS = 10.0
"""How often those of runs are read again, if no one does: their CPU usage is that since then."""
WHOLE_SECONDS = 30.0
"""After so long all processes are read again, also those whose pids are known."""


@dataclass(slots=True)
class ProcessSnapshot:
    """The processes that were alive. `at` is when it was started, by the monotonic clock."""

    at: float
    rows: dict[int, Row] = field(default_factory=dict)
    pids: set[int] = field(default_factory=set)
    """All pids, also those of zombies."""
    owners: dict[int, RunTag] = field(default_factory=dict)
    """The run of each process that belongs to one."""
    listed_at: float = float("-inf")
    """When processes that were started later were added last."""
    listed: set[int] = field(default_factory=set)
    """All pids there were then."""


@dataclass(slots=True)
class ProcessTree:
    """The processes of one run. `folder` is the run's, if their tag names it."""

    rows: list[Row] = field(default_factory=list)
    folder: str = ""


class ProcessMonitor:
    """Finds the processes of all runs; one for each server."""

    def __init__(self) -> None:
        self._newest = ProcessSnapshot(float("-inf"))
        self._readings = Readings()
        self._taking: Flag | None = None
        """There while a snapshot is being taken."""
        self._tags = RunTagCache()
        self._known: dict[ProcessKey, RunTag] = {}
        """The run of each process once seen in a tree, as long as that process is alive."""
        self._tracked: dict[str, ProcessKey] = {}
        """Claude's process in each live run of this worker."""
        self._watch: gevent.Greenlet[[], None] | None = None
        self._own_group = os.getpgrp()
        self._free: set[ProcessKey] = set()
        """Processes that, with all above them, belong to no run, as long as a snapshot is sorted.

        Without it the time for a chain of processes grows with the square of its length.
        """

    # --- queries ----------------------------------------------------------------------------

    def track(self, run_id: str, pid: int, folder: str = "") -> None:
        """Track the tree of a run whose Claude is the process `pid`, as long as it is alive."""
        key = process_table.key_of(pid)
        if key is None:
            return
        self._tracked[run_id] = key
        carried = self._tags.of(key)
        known = carried and carried.run_id == run_id and not folder
        self._known[key] = carried if carried and known else RunTag(run_id, folder)
        self._free.clear()
        if self._watch is None or self._watch.dead:
            self._watch = gevent.spawn(self._watch_runs)

    def family(self, run_id: str, max_age: float = 0.0) -> list[Row]:
        """All live processes of a run, from a snapshot at most `max_age` seconds old."""
        snapshot = self._snapshot_within(max_age)
        return [
            snapshot.rows[pid] for pid, owner in snapshot.owners.items() if owner.run_id == run_id
        ]

    def families(
        self,
        max_age: float = EVERY_SECONDS,
        leave_out: Callable[[], Collection[str]] = tuple,
    ) -> dict[str, ProcessTree]:
        """All processes that belong to runs, of any server, by run id.

        `leave_out` gives the ids of runs that are not wanted; it is asked after the snapshot.
        """
        snapshot, without = self._snapshot_within(max_age), leave_out()
        found: dict[str, ProcessTree] = {}
        for pid, owner in snapshot.owners.items():
            if owner.run_id in without:
                continue
            family = found.setdefault(owner.run_id, ProcessTree())
            family.folder = family.folder or owner.folder
            family.rows.append(snapshot.rows[pid])
        return found

    def others(self, max_age: float = EVERY_SECONDS) -> list[Row]:
        """The processes that belong to no run."""
        snapshot = self._snapshot_within(max_age)
        return [row for pid, row in snapshot.rows.items() if pid not in snapshot.owners]

    def usages(self, run_ids: Collection[str]) -> dict[str, Usage]:
        """The resources that runs use now, by run id; none where nothing of a run is alive."""
        families = self.families()
        if not families.keys() >= set(run_ids):  # one has just started or ended
            families = self.families(max_age=0.0)
        return {
            run_id: self.sum_up(families[run_id].rows) if run_id in families else Usage()
            for run_id in run_ids
        }

    def memory(self) -> dict[str, int]:
        """The resident bytes now of all processes of each run; only these are read."""
        snapshot = self._newest
        if time.monotonic() - max(snapshot.at, snapshot.listed_at) > 2 * EVERY_SECONDS:
            snapshot = self._snapshot_within(EVERY_SECONDS)
        found: dict[str, int] = {}
        now, rows, slicer = time.monotonic(), dict[int, Row](), TimeSlicer()
        for pid, owner in list(snapshot.owners.items()):
            row, seen = process_table.read(pid), snapshot.rows.get(pid)
            if row and seen and row.key == seen.key:  # else another process has its pid by now
                rows[pid] = row
                found[owner.run_id] = found.get(owner.run_id, 0) + row.memory_bytes
            slicer.step()
        self._readings.note(now, rows)
        return found

    def sum_up(self, rows: Sequence[Row]) -> Usage:
        """The resources that these processes of the newest snapshot use."""
        return self._readings.usage(rows, self._newest.at)

    # --- ending -----------------------------------------------------------------------------

    def sweep(self, run_id: str, within: float = SWEEP_SECONDS) -> bool:
        """End all that a run has started, within so many seconds; whether nothing is left."""
        return process_reaper.reap_process_tree(self, run_id, within)

    def untrack(self, run_id: str) -> None:
        """Stop tracking a run, of which nothing is left."""
        self._tracked.pop(run_id, None)

    def seen(self, run_id: str, since: float) -> set[ProcessKey]:
        """The processes of a run in the newest snapshot, and those that were started until `since`.

        Faster than a new snapshot, but processes that have ended since are still in it.
        """
        snapshot = self._newest
        if snapshot.listed_at <= since:
            self._add_new(snapshot)
        return {
            snapshot.rows[pid].key
            for pid, owner in snapshot.owners.items()
            if owner.run_id == run_id
        }

    def is_unsure(self) -> bool:
        """Whether there is a process whose run cannot be determined yet."""
        return any(key.pid not in self._newest.owners for key in self._tags.undecided())

    # --- snapshots --------------------------------------------------------------------------

    def _watch_runs(self) -> None:
        """Find the new processes every second, as long as a run is tracked."""
        while self._tracked:
            try:
                self._look()
            except OSError:
                log.exception("could not read the processes")
            TICKS.sleep(EVERY_SECONDS)

    def _look(self) -> None:
        snapshot = self._newest
        if time.monotonic() - snapshot.at >= WHOLE_SECONDS:
            snapshot = self._snapshot_within(EVERY_SECONDS)
        else:
            self._add_new(snapshot)
            self._drop_ended(snapshot)
            if time.monotonic() - self._readings.newest_at >= READ_SECONDS:
                self.memory()
        for run_id, root in list(self._tracked.items()):
            row = snapshot.rows.get(root.pid)
            if (row is None or row.key != root) and not self.family(run_id, EVERY_SECONDS):
                self._tracked.pop(run_id, None)

    def _add_new(self, snapshot: ProcessSnapshot) -> None:
        """Add what was started since: a list of the pids costs a tenth of reading the processes."""
        began, young = time.monotonic(), self._tags.young()
        listed = set(process_table.pids())
        new = sorted(listed - snapshot.pids)  # parents come before what they started
        snapshot.pids.update(new)
        self._free.clear()
        for row in filter(None, map(process_table.read, new)):
            snapshot.rows[row.pid] = row
            self._settle(row, snapshot)
        for key in young:  # it may have its own environment by now
            found = snapshot.rows.get(key.pid)
            if found and found.key == key and key.pid not in snapshot.owners:
                self._settle(found, snapshot)
        snapshot.listed, snapshot.listed_at = listed, began

    def _drop_ended(self, snapshot: ProcessSnapshot) -> None:
        """Drop what is not in the last list, so that another process with such a pid is new."""
        for pid in snapshot.pids - snapshot.listed:
            row = snapshot.rows.pop(pid, None)
            snapshot.owners.pop(pid, None)
            if row is not None:
                self._forget((row.key,))
        snapshot.pids &= snapshot.listed

    def _snapshot_within(self, max_age: float) -> ProcessSnapshot:
        """A snapshot that was started after this call, or at most so many seconds before."""
        wanted = time.monotonic() - max_age
        while self._newest.at < wanted:
            if self._taking:
                self._taking.wait()
                continue
            taking = self._taking = Flag()
            try:
                yield_to_loop()  # all callers at the same time share it
                self._take()
            finally:
                self._taking = None
                taking.set()
        return self._newest

    def _take(self) -> None:
        snapshot = ProcessSnapshot(time.monotonic())
        known = {*self._tags.keys(), *self._known}  # not what starts meanwhile
        slicer = TimeSlicer()
        snapshot.pids.update(process_table.pids())
        # the youngest first: they may be gone in a moment
        for pid in sorted(snapshot.pids, reverse=True):
            if row := process_table.read(pid):
                snapshot.rows[pid] = row
                self._tags.of(row.key)
            slicer.step()
        self._free.clear()
        # the oldest first: what is known of them decides for those below
        for row in reversed(list(snapshot.rows.values())):
            self._settle(row, snapshot)
            slicer.step()
        self._forget(known - {row.key for row in snapshot.rows.values()})
        self._readings.note(self._newest.at, self._newest.rows)
        self._newest = snapshot

    def _forget(self, gone: Collection[ProcessKey]) -> None:
        self._tags.forget(gone)
        for key in gone:
            self._known.pop(key, None)

    def _settle(self, row: Row, snapshot: ProcessSnapshot) -> RunTag | None:
        """Find the run that a process belongs to, and remember it."""
        owner = self._owner(row, snapshot)
        if owner:
            snapshot.owners[row.pid] = owner
            self._known[row.key] = owner
        return owner

    def _owner(self, row: Row, snapshot: ProcessSnapshot) -> RunTag | None:
        """The run of a process: by its tag, by an earlier snapshot, by its parents.

        A run of another server counts last: processes of a server that was itself started in a run
        belong to that run as well.
        """
        line: dict[int, Row] = {}
        while row.group != self._own_group and row.key not in self._free:  # the server is in none
            tag = self._tags.of(row.key)
            if tag and tag.run_id in self._tracked:
                return tag
            if known := self._known.get(row.key):
                return known
            line[row.pid] = row
            parent = snapshot.rows.get(row.parent)
            # a younger parent has reused the pid of one that has ended
            if not parent or parent.started > row.started or parent.pid in line:
                break
            row = parent
        tags = (self._tags.of(each.key) for each in reversed(line.values()))
        owner = next(filter(None, tags), None)
        if owner is None:
            self._free.update(each.key for each in line.values())
        return owner
