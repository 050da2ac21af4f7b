"""What runs have cost, what they may cost, and which sessions are held because it is used up.

Costs are those that Claude reports itself, in US dollars, as a session's total so far, so that what
is noted twice counts once. Files, which all workers share; knows nothing of processes or pages.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_fields import MOST
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.runs.policies import budget_shares
from opcode_htmx.runs.policies.budget_figures import (
    Hold,
    Kept,
    Ledger,
    Limits,
    Refusal,
    Scope,
    Spent,
    Standing,
    day_of,
    parse_ledger,
    project_of,
)

VERSION = 1
LIMITS, SPENDING, HOLDS = "budgets.json", "spending.json", "budget_holds"
"""Their names in the state folder."""
DAYS_KEPT = 7
RUNS_KEPT = 2000
_HOLDS_CACHED = 200
LIMITS_UNREADABLE = Refusal(
    "The budgets cannot be read (budgets.json in the state folder).",
    "Set them again under Budgets",
)
SPENDING_UNREADABLE = Refusal(
    "The budgets cannot be read (spending.json in the state folder).",
    "Save them under Budgets",
    ": then what is spent is counted from zero.",
)


class BudgetReached(Exception):
    """A prompt is held until a person decides; the text says what is used up."""

    def __init__(self, sentence: str, refusal: Refusal | None = None) -> None:
        """`refusal` is what the sentence is of, unless it is a pause of one session."""
        super().__init__(sentence)
        self.refusal = refusal


_HOLD_SCHEMA = JsonFileSchema(VERSION, Hold.parse)
_UNKNOWN_HOLD = Hold("", Scope.UNKNOWN, 0.0, 0.0, 0.0, was_working=False)


class BudgetBook:
    """The budgets of this server. One instance per worker, or several: the files are the state."""

    def __init__(self, state: Path) -> None:
        """`state` is the state folder."""
        self._limits_path = state / LIMITS
        self._spending_path = state / SPENDING
        self._holds = state / HOLDS
        self._lock = state / f"{LIMITS}.lock"
        self._limits = CachedJsonFiles(JsonFileSchema(VERSION, Kept.parse), 1)
        self._spending = CachedJsonFiles(JsonFileSchema(VERSION, parse_ledger), 1)
        self._hold_files = CachedJsonFiles(_HOLD_SCHEMA, _HOLDS_CACHED)
        self._not_held: tuple[object, set[str]] = (None, set())
        """A version of the folder, and the sessions for which it has no file: nearly all."""

    @property
    def version(self) -> object:
        """Changes whenever a limit, a cost or a hold has changed, or another day has begun.

        None where one has just changed.
        """
        parts = (
            self._limits.seen(self._limits_path),
            self._spending.seen(self._spending_path),
            atomic_files.version(self._holds),
            _today(),
        )
        return None if parts[2] is None else parts

    # --- limits -----------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        return self._kept().limits

    @property
    def extra_today(self) -> float:
        """What a person has allowed today beyond the budget of a day; 0 without one."""
        kept = self._kept()
        return kept.extra.get(_today(), 0.0) if kept.limits.day else 0.0

    @property
    def project_extras_today(self) -> dict[Path, float]:
        """The same of projects."""
        kept, begin = self._kept(), f"{_today()} "
        extra = kept.extra.items() if kept.limits.project else ()
        return {Path(key[len(begin) :]): more for key, more in extra if key.startswith(begin)}

    def set_limits(self, limits: Limits) -> None:
        """Set all limits, and end the pauses that they no longer ask for.

        What was allowed beyond one of them ends where it changes.
        A file that cannot be read is put aside. Raises OSError, DiskFull.
        """
        with self._locked():
            self._write_limits(self._kept().with_limits(limits))
            if self._is_unreadable(self._spending, self._spending_path):
                self._write_ledger({})
            self._end_holds()

    def add(self, scope: Scope, project: Path, amount: float) -> None:
        """Allow more for the rest of today, of a day or a project.

        Raises BudgetReached where the limits cannot be read, OSError, DiskFull.
        """
        with self._locked():
            self._add(scope, project, amount)

    def _add(self, scope: Scope, project: Path, amount: float) -> None:
        self._check_limits()
        key, kept, today = _key(scope, project), self._kept(), _today()
        extra = {each: more for each, more in kept.extra.items() if each.startswith(today)}
        self._write_limits(replace(kept, extra={**extra, key: extra.get(key, 0.0) + amount}))

    # --- spending ---------------------------------------------------------------------------

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
        cost is counted from zero; what is reported of an earlier one then is ignored.
        `before` is what the session had cost when the run began, as far as its process counts it:
        0 where the run has begun it. Where that is not known (None), it is what was seen last, or,
        if nothing was, what the run reports first. The first report of a run decides.
        Raises OSError, DiskFull.
        """
        if not 0 <= total <= MOST:
            return
        now = time.time()
        at = now if at is None else at
        with self._locked():
            if self._is_unreadable(self._spending, self._spending_path):
                return
            ledger = dict(self._ledger())
            known = ledger.get(run_id)
            # a time in the future is of a clock that was wrong
            if known and (at < known.at <= now or _left(run_id, session_id) in ledger):
                return
            if known and known.session_id != session_id:
                ledger[_left(run_id, known.session_id)] = _as_left(known)
                # a torn one has counted in this session already, without knowing it
                counted = known.total if known.is_torn else 0.0
                known = replace(known, session_id=session_id, total=counted, begin=0.0)
            if known:
                before = known.total
            elif before is None:
                before = _last_of(ledger, session_id)
            if before is None:
                before = total
            is_cleared = total < before  # and Claude counts from zero, in a session not known
            more = total if is_cleared else total - before
            if known and not more and known.total == total:
                return
            known = known or Spent(session_id, project_of(project), before)
            known = replace(known, begin=None) if is_cleared else known
            today = _today()
            days = {**known.days, today: known.days.get(today, 0.0) + more}
            ledger = budget_shares.given_back(ledger, session_id, total - more, total)
            ledger.pop(run_id, None)  # the last one noted is the newest
            ledger[run_id] = replace(known, total=total, spent=known.spent + more, days=days, at=at)
            self._write_ledger(ledger)

    def has_noted(self, run_id: str) -> bool:
        """Whether a cost of the run was noted."""
        return run_id in self._ledger()

    def open_shares(self) -> Ledger:
        """What terminals have cost of sessions whose end was not seen yet, by names."""
        return {
            name: each
            for name, each in self._ledger().items()
            if each.is_open and name.startswith(budget_shares.SHARE)
        }

    def change_shares(self, change: Callable[[Ledger], Ledger]) -> None:
        """Change the entries of terminals, with a function of budget_shares.

        Nothing is noted where what was noted before cannot be read. Raises OSError, DiskFull.
        """
        with self._locked():
            if self._is_unreadable(self._spending, self._spending_path):
                return
            ledger = self._ledger()
            changed = change(ledger)
            if changed is not ledger:
                self._write_ledger(changed)

    def spent_by_run(self, run_id: str) -> float:
        found = self._ledger().get(run_id)
        return found.spent if found else 0.0

    def spent_today(self, project: Path | None = None) -> float:
        """By all runs, or those in one project."""
        today, wanted = _today(), None if project is None else project_of(project)
        found = self._ledger().values()
        return sum(
            each.days.get(today, 0.0) for each in found if wanted is None or each.project == wanted
        )

    def spent_by_project(self) -> dict[Path, float]:
        """What today has cost in each project in which it has cost something."""
        today, found = _today(), defaultdict[str, float](float)
        for each in self._ledger().values():
            found[each.project] += each.days.get(today, 0.0)
        return {Path(project): spent for project, spent in found.items() if spent}

    def standings(self, run_id: str, project: Path) -> list[Standing]:
        """How the budgets stand that hold for a run, the narrowest first."""
        run = self.limits.run
        own = [Standing(Scope.RUN, self.spent_by_run(run_id), run)] if run else []
        return [*own, *self._standings_of_day(project)]

    def standing_of_day(self) -> Standing | None:
        """How the budget of a day stands, with what is allowed more today; None without one."""
        found = self._standings_of_day(Path("/"))  # the day's is that of all projects
        return next((each for each in found if each.scope is Scope.DAY), None)

    def _standings_of_day(self, project: Path) -> list[Standing]:
        kept, found = self._kept(), list[Standing]()
        for scope, limit, where in (
            (Scope.PROJECT, kept.limits.project, project),
            (Scope.DAY, kept.limits.day, None),
        ):
            if limit:
                extra = kept.extra.get(_key(scope, project), 0.0)
                found.append(Standing(scope, self.spent_today(where), limit + extra))
        return found

    # --- holds ------------------------------------------------------------------------------

    def hold(self, session_id: str) -> Hold | None:
        """Why a session is paused; None if it is not."""
        version = atomic_files.version(self._holds)
        if version is None or version != self._not_held[0]:
            self._not_held = version, set()
        if session_id in self._not_held[1]:
            return None
        path = self._hold_path(session_id)
        found = self._hold_files.read(path)
        if found is None and self._is_unreadable(self._hold_files, path):
            return _UNKNOWN_HOLD
        if found is None and version is not None:
            self._not_held[1].add(session_id)
        return found

    def set_hold(
        self, session_id: str, run_id: str, standing: Standing, *, was_working: bool = True
    ) -> None:
        """Hold a session. Raises OSError, DiskFull."""
        scope, spent, limit = standing.scope, standing.spent, standing.limit
        # in turn with who ends another hold of the session, which would end this one as well
        with self._locked():
            found = Hold(run_id, scope, spent, limit, time.time(), was_working)
            atomic_files.make_folder(self._holds)
            self._hold_files.write(self._hold_path(session_id), asdict(found))

    def go_on(self, session_id: str, hold: Hold, project: Path, more: float | None = None) -> bool:
        """Allow `more` (None: what the hold needed) and release it; False if decided elsewhere.

        Two phones allow it once. Raises BudgetReached where the limits cannot be read, or a budget
        is used up all the same: then nothing has changed. OSError, DiskFull.
        """
        more = hold.more if more is None else more
        with self._locked():
            if self.hold(session_id) != hold:
                return False
            if refusal := self._refusal_by_day(project, more, hold.scope):
                raise BudgetReached(refusal.sentence, refusal)
            if more and hold.scope in (Scope.PROJECT, Scope.DAY):
                self._add(hold.scope, project, more)
            return self._release(session_id)

    def standing_of(self, hold: Hold) -> Standing | None:
        """How the budget stands now that a session is held by; None where that is not known.

        Of schedules the book knows nothing.
        """
        limit, spent = self._now_of(hold)
        if limit is None or (hold.scope is Scope.PROJECT and not self.has_noted(hold.run_id)):
            return None
        if hold.scope is Scope.RUN:  # it may have been forgotten
            spent = max(spent, hold.spent)
        return Standing(hold.scope, spent, limit)

    def release(self, session_id: str) -> bool:
        """Hold a session no longer; whether it was held. A damaged file is put aside.

        Raises OSError, DiskFull.
        """
        with self._locked():
            return self._release(session_id)

    def _release(self, session_id: str) -> bool:
        path = self._hold_path(session_id)
        try:
            if self._is_unreadable(self._hold_files, path):
                _HOLD_SCHEMA.quarantine(path)
                return True
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _end_holds(self) -> None:
        """Release the sessions whose limit was lifted, or raised above what was spent."""
        for path in self._holds.glob("*.json"):
            found = self._hold_files.read(path)
            if found and found.ends_at(*self._now_of(found)):
                self._release(path.stem)

    def _now_of(self, hold: Hold) -> tuple[float | None, float]:
        """The limit that holds now for what a pause is for, and what is spent of it."""
        run = self._ledger().get(hold.run_id)
        project = Path(run.project) if run else Path("/")
        found = self.standings(hold.run_id, project)
        now = next((each for each in found if each.scope is hold.scope), None)
        return (now.limit, now.spent) if now else (None, 0.0)

    def check(self, session_id: str, project: Path) -> None:
        """Raises BudgetReached where a prompt must wait for a person's decision.

        So it must where a file cannot be read: it may hold a limit.
        """
        if hold := self.hold(session_id):
            raise BudgetReached(
                f"{hold.standing.cause} Decide on the session's page whether Claude goes on."
            )
        if refusal := self.refusal(project):
            raise BudgetReached(refusal.sentence, refusal)

    def refusal(self, project: Path) -> Refusal | None:
        """Why no prompt is sent in a project, whatever the session; None if it is sent."""
        return self._problem() or self._refusal_by_day(project)

    def _refusal_by_day(
        self, project: Path, more: float = 0.0, scope: Scope | None = None
    ) -> Refusal | None:
        """`more` is what is going to be allowed more of the budget for `scope`."""
        for each in self._standings_of_day(project):
            limit = each.limit + (more if each.scope is scope else 0.0)
            if replace(each, limit=limit).is_reached:
                return Refusal.by(each)
        return None

    # --- files ------------------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """Why no budget can be read from its file, in a sentence; empty where all can be read."""
        found = self._problem()
        return found.sentence if found else ""

    def _problem(self) -> Refusal | None:
        if self._is_unreadable(self._limits, self._limits_path):
            return LIMITS_UNREADABLE
        if self.limits.any and self._is_unreadable(self._spending, self._spending_path):
            return SPENDING_UNREADABLE
        return None

    def _check_limits(self) -> None:
        if self._is_unreadable(self._limits, self._limits_path):
            raise BudgetReached(LIMITS_UNREADABLE.sentence, LIMITS_UNREADABLE)

    @staticmethod
    def _is_unreadable(files: CachedJsonFiles[Any], path: Path) -> bool:
        """Whether a file is there and says nothing."""
        if files.read(path) is not None:
            return False
        try:
            path.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return files.read(path) is None  # it may have been made just now

    def _hold_path(self, session_id: str) -> Path:
        return self._holds / f"{session_id}.json"

    def _kept(self) -> Kept:
        return self._limits.read(self._limits_path) or Kept()

    def _ledger(self) -> Ledger:
        return self._spending.read(self._spending_path) or {}

    def _write_limits(self, kept: Kept) -> None:
        self._limits.write(self._limits_path, {**asdict(kept.limits), "extra": dict(kept.extra)})

    def _write_ledger(self, ledger: Ledger) -> None:
        first = day_of(time.time() - DAYS_KEPT * 86400)
        recent = {
            run_id: each for run_id, each in ledger.items() if max(each.days, default="") >= first
        }
        kept = dict(list(recent.items())[-RUNS_KEPT:])
        runs = {run_id: each.as_json() for run_id, each in kept.items()}
        self._spending.write(self._spending_path, {"runs": runs}, durable=False, value=kept)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with raise_disk_full(), file_locks.held(self._lock):
            yield


def _left(run_id: str, session_id: str) -> str:
    """The name of the entry for what a run has counted in a session that it has left."""
    return f"{run_id}-{session_id}"


def _as_left(known: Spent) -> Spent:
    """That it was counted; the sums are in the entry of the run."""
    return replace(known, spent=known.total - known.begins, days={_today(): 0.0})


def _last_of(ledger: Ledger, session_id: str) -> float | None:
    """The last total of a session that was seen."""
    totals = [each.total for each in ledger.values() if each.session_id == session_id]
    return totals[-1] if totals else None


def _key(scope: Scope, project: Path) -> str:
    return f"{_today()} {project_of(project)}" if scope is Scope.PROJECT else _today()


def _today() -> str:
    return day_of(time.time())
