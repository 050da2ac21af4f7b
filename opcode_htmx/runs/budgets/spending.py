"""What runs have cost: their sessions' totals as Claude reports them, by run and by day.

A total recorded twice counts once. One file, which all workers share.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.json_fields import MOST
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.runs.budgets import shares
from opcode_htmx.runs.budgets.files import VERSION, is_unreadable, locked
from opcode_htmx.runs.budgets.ledger import Ledger, Spent, day_of, parse_ledger, project_of

DAYS_KEPT = 7
RUNS_KEPT = 2000


class Spending:
    """One instance per worker, or several: the file is the state."""

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        self._lock = lock
        self._files = CachedJsonFiles(JsonFileSchema(VERSION, parse_ledger), 1)

    @property
    def version(self) -> object:
        """Changes whenever a cost is noted."""
        return self._files.seen(self._path)

    @property
    def is_unreadable(self) -> bool:
        return is_unreadable(self._files, self._path)

    @property
    def ledger(self) -> Ledger:
        """What was noted, by the ids of runs and the names of terminals."""
        return self._files.read(self._path) or {}

    def record(
        self,
        run_id: str,
        session_id: str,
        project: Path,
        total: float,
        *,
        before: float | None,
        at: float | None = None,
    ) -> None:
        """Note the total cost of a session that a run has reported.

        `at`: when it was reported, a Unix time; None: now. One that comes after a later one is
        ignored: its total is smaller, as if the session had been cleared. Nothing is noted where
        what was noted before cannot be read.
        `session_id` is the session that Claude is in. After a `/clear` it is another one, whose
        cost is counted from zero, or, where the run comes back to one that it has left, from what
        it has counted there. What is reported late of one that it has left is ignored.
        `before` is what the session had cost when the run began, as far as its process counts it:
        0 where the run has begun it. Where that is not known (None), it is what was seen last, or,
        if nothing was, what the run reports first. The first report of a run decides.
        Raises OSError, DiskFull.
        """
        if not 0 <= total <= MOST:
            return
        now = time.time()
        at = now if at is None else at

        def with_total(ledger: Ledger) -> Ledger:
            changed = dict(ledger)
            known = changed.get(run_id)
            left = changed.pop(_left(run_id, session_id), None)
            if known and _is_late(known, at, now, is_left=left is not None):
                return ledger
            if known and known.session_id != session_id:
                changed[_left(run_id, known.session_id)] = _as_left(known)
                known = _come_into(session_id, known, left)
            first = _first_total(changed, known, session_id, total, before)
            is_cleared = total < first  # and Claude counts from zero, in a session not known
            more = total if is_cleared else total - first
            if known and not more and known.total == total:
                return ledger
            known = known or Spent(session_id, project_of(project), first)
            known = replace(known, begin=None) if is_cleared else known
            changed = dict(shares.given_back(changed, session_id, total - more, total))
            changed.pop(run_id, None)  # the last one noted is the newest
            changed[run_id] = _with_more(known, total, more, at)
            return changed

        self.change(with_total)

    def change(self, change: Callable[[Ledger], Ledger]) -> None:
        """Change the entries; not where `change` returns what it was given.

        Nothing is noted where what was noted before cannot be read. Raises OSError, DiskFull.
        """
        with locked(self._lock):
            if self.is_unreadable:
                return
            ledger = self.ledger
            changed = change(ledger)
            if changed is not ledger:
                self.write(changed)

    def write(self, ledger: Ledger) -> None:
        """Keep the newest entries of these. Under the lock only. Raises OSError."""
        first = day_of(time.time() - DAYS_KEPT * 86400)
        recent = {
            name: each
            for name, each in ledger.items()
            # what a run has left it may come back to for as long as it is known itself
            if _is_since(first, each) or _is_since(first, ledger.get(_left_by(name, each)))
        }
        kept = dict(list(recent.items())[-RUNS_KEPT:])
        runs = {run_id: each.as_json() for run_id, each in kept.items()}
        self._files.write(self._path, {"runs": runs}, durable=False, value=kept)

    def has_noted(self, run_id: str) -> bool:
        """Whether a cost of the run was noted."""
        return run_id in self.ledger

    def open_shares(self) -> Ledger:
        """What terminals have cost of sessions whose end was not seen yet, by names."""
        return {
            name: each
            for name, each in self.ledger.items()
            if each.is_open and name.startswith(shares.SHARE)
        }

    def of_run(self, run_id: str) -> float:
        found = self.ledger.get(run_id)
        return found.spent if found else 0.0

    def of_today(self, project: Path | None = None) -> float:
        """By all runs, or those in one project."""
        day, wanted = today(), None if project is None else project_of(project)
        found = self.ledger.values()
        return sum(
            each.days.get(day, 0.0) for each in found if wanted is None or each.project == wanted
        )

    def by_project(self) -> dict[Path, float]:
        """What today has cost in each project in which it has cost something."""
        day, found = today(), defaultdict[str, float](float)
        for each in self.ledger.values():
            found[each.project] += each.days.get(day, 0.0)
        return {Path(project): spent for project, spent in found.items() if spent}


def today() -> str:
    """The day by which costs are noted now."""
    return day_of(time.time())


def _first_total(
    ledger: Ledger, known: Spent | None, session_id: str, total: float, before: float | None
) -> float:
    """From which total of a session on a run is counted, or is counted further."""
    if known:
        return known.total
    if before is not None:
        return before
    totals = [each.total for each in ledger.values() if each.session_id == session_id]
    return totals[-1] if totals else total


def _with_more(known: Spent, total: float, more: float, at: float) -> Spent:
    days = {**known.days, today(): known.days.get(today(), 0.0) + more}
    return replace(known, total=total, spent=known.spent + more, days=days, at=at)


def _is_late(known: Spent, at: float, now: float, *, is_left: bool) -> bool:
    """Whether a report is older than what is known; `is_left`: of a session that the run had left.

    A time in the future is of a clock that was wrong: what is reported now is later.
    """
    if known.at > now >= at:
        return False
    return at < known.at or (is_left and at == known.at)


def _come_into(session_id: str, known: Spent, left: Spent | None) -> Spent:
    """The entry of a run that is in another session now; `left`: what it has counted there."""
    if left:
        begin = None if left.is_torn else max(0.0, left.begins)
        return replace(known, session_id=session_id, total=left.total, begin=begin)
    # a torn one has counted in this session already, without knowing it
    counted = known.total if known.is_torn else 0.0
    return replace(known, session_id=session_id, total=counted, begin=0.0)


def _left(run_id: str, session_id: str) -> str:
    """The name of the entry for what a run has counted in a session that it has left."""
    return f"{run_id}-{session_id}"


def _left_by(name: str, spent: Spent) -> str:
    """The id of the run that has left a session, by the name of the entry for that."""
    return name.removesuffix(f"-{spent.session_id}")


def _is_since(day: str, spent: Spent | None) -> bool:
    return spent is not None and max(spent.days, default="") >= day


def _as_left(known: Spent) -> Spent:
    """That it was counted; the sums are in the entry of the run."""
    return replace(known, spent=known.total - known.begins, days={today(): 0.0})
