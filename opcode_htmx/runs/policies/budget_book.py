"""What runs have cost, what they may cost, and which sessions are held because it is used up.

Costs are those that Claude reports itself, in US dollars, as a session's total so far, so that what
is noted twice counts once. Files, which all workers share; knows nothing of processes or pages.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from opcode_htmx.lib.coerce import as_dict
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.git import worktrees

VERSION = 1
LIMITS, SPENDING, HOLDS = "budgets.json", "spending.json", "budget_holds"
"""Their names in the state folder."""
WARN_AT = 0.8
DAYS_KEPT = 7
RUNS_KEPT = 2000
LEAST_USD, MOST_USD = 0.01, 100_000.0
_HOLDS_CACHED = 200
LIMITS_UNREADABLE = (
    "The budgets cannot be read (budgets.json in the state folder). Set them again under Budgets."
)
SPENDING_UNREADABLE = (
    "The budgets cannot be read (spending.json in the state folder). Save them under Budgets: then"
    " what is spent is counted from zero."
)
HOLD_UNREADABLE = (
    "The budgets cannot be read: {name} in the state folder says why this session is paused. Move"
    " that file away to go on."
)
_WORKTREES = (".claude", "worktrees")
"""Where the worktrees of a project are, each in a folder of its name."""


class Scope(StrEnum):
    """What a budget is for. The names are stored."""

    RUN = "run"
    SCHEDULE = "schedule"
    PROJECT = "project"
    DAY = "day"


_OF = {
    Scope.RUN: "this run",
    Scope.SCHEDULE: "this run of a schedule",
    Scope.PROJECT: "this project today",
    Scope.DAY: "today",
}


class BudgetReached(Exception):
    """A prompt is held until a person decides; the text says what is used up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets in US dollars; None: no limit. A project's is for a day, too."""

    run: float | None = None
    day: float | None = None
    project: float | None = None

    @property
    def any(self) -> bool:
        return bool(self.run or self.day or self.project)


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a budget is used."""

    scope: Scope
    spent: float
    limit: float

    @property
    def share(self) -> float:
        return self.spent / self.limit

    @property
    def is_reached(self) -> bool:
        # sums of floats may be a little below
        return self.spent >= self.limit - 1e-9

    @property
    def is_near(self) -> bool:
        return self.share >= WARN_AT - 1e-9

    @property
    def sentence(self) -> str:
        """What is used, for a warning."""
        whole = f"{dollars(self.spent)} of the {dollars(self.limit)} for {_OF[self.scope]}"
        return f"{whole} are used; at 100% Claude is paused."

    @property
    def cause(self) -> str:
        """Why a run was paused."""
        whole = f"{dollars(self.limit)} for {_OF[self.scope]} are used"
        return f"Paused: the {whole}."


@dataclass(frozen=True, slots=True)
class Hold:
    """A session that is paused until a person decides."""

    run_id: str
    scope: Scope
    spent: float
    limit: float
    at: float
    was_working: bool = True
    """Whether its turn was interrupted, and so has something left to do."""

    @property
    def standing(self) -> Standing:
        return Standing(self.scope, self.spent, self.limit)

    @property
    def more(self) -> float:
        """How much more "Go on" allows: the same again for a run, half of it for a day."""
        of_run = self.scope in (Scope.RUN, Scope.SCHEDULE)
        return self.limit if of_run else self.limit / 2

    @classmethod
    def parse(cls, found: dict[str, Any]) -> Hold:
        return cls(
            str(found["run_id"]),
            Scope(found["scope"]),
            float(found["spent"]),
            float(found["limit"]),
            float(found["at"]),
            bool(found.get("was_working", True)),
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    """The limits, and what a person has added to those of a day."""

    limits: Limits = Limits()
    extra: Mapping[str, float] = field(default_factory=dict)
    """By `<day>` or `<day> <project>`."""

    @classmethod
    def parse(cls, found: dict[str, Any]) -> _Kept:
        amounts = {name: found.get(name) for name in ("run", "day", "project")}
        limits = {
            name: None if amount is None else float(amount) for name, amount in amounts.items()
        }
        extra = {str(key): float(value) for key, value in as_dict(found.get("extra")).items()}
        return cls(Limits(**limits), extra)


@dataclass(frozen=True, slots=True)
class _Spent:
    """What one run has cost. `total` is the last one of its session that was seen."""

    session_id: str
    project: str
    total: float
    spent: float = 0.0
    days: Mapping[str, float] = field(default_factory=dict)
    at: float = 0.0
    """When `total` was taken; 0 in what earlier versions noted."""

    def as_json(self) -> dict[str, Any]:
        days = [{"day": day, "spent": spent} for day, spent in self.days.items()]
        return {**asdict(self), "days": days}


_Ledger = dict[str, _Spent]


def _parse_ledger(found: dict[str, Any]) -> _Ledger:
    return {
        str(run_id): _Spent(
            str(each["session_id"]),
            _project(Path(each["project"])),
            float(each["total"]),
            float(each["spent"]),
            {str(part["day"]): float(part["spent"]) for part in each["days"]},
            float(each.get("at", 0.0)),
        )
        for run_id, each in found["runs"].items()
    }


class BudgetBook:
    """The budgets of this server. One instance per worker, or several: the files are the state."""

    def __init__(self, state: Path) -> None:
        """`state` is the state folder."""
        self._limits_path = state / LIMITS
        self._spending_path = state / SPENDING
        self._holds = state / HOLDS
        self._lock = state / f"{LIMITS}.lock"
        self._limits = CachedJsonFiles(JsonFileSchema(VERSION, _Kept.parse), 1)
        self._spending = CachedJsonFiles(JsonFileSchema(VERSION, _parse_ledger), 1)
        self._hold_files = CachedJsonFiles(JsonFileSchema(VERSION, Hold.parse), _HOLDS_CACHED)

    # --- limits -----------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        return self._kept().limits

    def set_limits(self, limits: Limits) -> None:
        """Set all limits; a file that cannot be read is put aside. Raises OSError, DiskFull."""
        with self._locked():
            self._write_limits(replace(self._kept(), limits=limits))
            if self._is_unreadable(self._spending, self._spending_path):
                self._write_ledger({})

    def add(self, scope: Scope, project: Path, amount: float) -> None:
        """Allow more for the rest of today, of a day or a project.

        Raises BudgetReached where the limits cannot be read, OSError, DiskFull.
        """
        key = _key(scope, project)
        with self._locked():
            self._check_limits()
            kept, today = self._kept(), _today()
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
        is_new: bool,
        at: float | None = None,
    ) -> None:
        """Note the total cost of a session that a run has reported.

        `at`: when it was reported, a Unix time; None: now. One that comes after a later one is
        ignored: its total is smaller, as if the session had been cleared. Nothing is noted where
        what was noted before cannot be read.
        `is_new`: the run began the session. What a session that is resumed has cost before is
        what was seen last, or, if nothing was, what its run reports first.
        Raises OSError, DiskFull.
        """
        now = time.time()
        at = now if at is None else at
        with self._locked():
            if self._is_unreadable(self._spending, self._spending_path):
                return
            ledger = dict(self._ledger())
            known = ledger.get(run_id)
            # a time in the future is of a clock that was wrong
            if known and at < known.at <= now:
                return
            before = known.total if known else (0.0 if is_new else _last_of(ledger, session_id))
            if before is None:
                before = total
            # after a /clear Claude counts from zero
            more = total - before if total >= before else total
            if known and not more and known.total == total:
                return
            known = known or _Spent(session_id, _project(project), before)
            today = _today()
            days = {**known.days, today: known.days.get(today, 0.0) + more}
            ledger.pop(run_id, None)  # the last one noted is the newest
            ledger[run_id] = replace(known, total=total, spent=known.spent + more, days=days, at=at)
            self._write_ledger(ledger)

    def spent_by_run(self, run_id: str) -> float:
        found = self._ledger().get(run_id)
        return found.spent if found else 0.0

    def spent_today(self, project: Path | None = None) -> float:
        """By all runs, or those in one project."""
        today, wanted = _today(), None if project is None else _project(project)
        found = self._ledger().values()
        return sum(
            each.days.get(today, 0.0) for each in found if wanted is None or each.project == wanted
        )

    def standings(self, run_id: str, project: Path) -> list[Standing]:
        """How the budgets stand that hold for a run, the narrowest first."""
        run = self.limits.run
        own = [Standing(Scope.RUN, self.spent_by_run(run_id), run)] if run else []
        return [*own, *self._standings_of_day(project)]

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
        """Why a session is paused; None if it is not, or that cannot be read."""
        return self._hold_files.read(self._hold_path(session_id))

    def set_hold(
        self, session_id: str, run_id: str, standing: Standing, *, was_working: bool = True
    ) -> None:
        """Hold a session. Raises OSError, DiskFull."""
        scope, spent, limit = standing.scope, standing.spent, standing.limit
        found = Hold(run_id, scope, spent, limit, time.time(), was_working)
        with raise_disk_full():
            atomic_files.make_folder(self._holds)
            self._hold_files.write(self._hold_path(session_id), asdict(found))

    def release(self, session_id: str) -> bool:
        """Hold a session no longer; whether it was held."""
        try:
            self._hold_path(session_id).unlink()
        except FileNotFoundError:
            return False
        return True

    def check(self, session_id: str, project: Path) -> None:
        """Raises BudgetReached where a prompt must wait for a person's decision.

        So it must where a file cannot be read: it may hold a limit.
        """
        if hold := self.hold(session_id):
            raise BudgetReached(
                f"{hold.standing.cause} Decide on the session's page whether Claude goes on."
            )
        held = self._hold_path(session_id)
        if self._is_unreadable(self._hold_files, held):
            raise BudgetReached(HOLD_UNREADABLE.format(name=f"{HOLDS}/{held.name}"))
        self._check_limits()
        if self.limits.any and self._is_unreadable(self._spending, self._spending_path):
            raise BudgetReached(SPENDING_UNREADABLE)
        for each in self._standings_of_day(project):
            if each.is_reached:
                raise BudgetReached(f"{each.cause} Allow more under Budgets, or wait for tomorrow.")

    # --- files ------------------------------------------------------------------------------

    def _check_limits(self) -> None:
        if self._is_unreadable(self._limits, self._limits_path):
            raise BudgetReached(LIMITS_UNREADABLE)

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

    def _kept(self) -> _Kept:
        return self._limits.read(self._limits_path) or _Kept()

    def _ledger(self) -> _Ledger:
        return self._spending.read(self._spending_path) or {}

    def _write_limits(self, kept: _Kept) -> None:
        self._limits.write(self._limits_path, {**asdict(kept.limits), "extra": dict(kept.extra)})

    def _write_ledger(self, ledger: _Ledger) -> None:
        first = _day(time.time() - DAYS_KEPT * 86400)
        recent = {
            run_id: each for run_id, each in ledger.items() if max(each.days, default="") >= first
        }
        kept = dict(list(recent.items())[-RUNS_KEPT:])
        runs = {run_id: each.as_json() for run_id, each in kept.items()}
        self._spending.write(self._spending_path, {"runs": runs}, durable=False)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with raise_disk_full(), file_locks.held(self._lock):
            yield


def dollars(amount: float) -> str:
    """`$2.00`; `$0.004` where cents do not show it."""
    return f"${amount:.3f}" if 0 < amount < 0.1 else f"${amount:,.2f}"


def _last_of(ledger: _Ledger, session_id: str) -> float | None:
    """The last total of a session that was seen."""
    totals = [each.total for each in ledger.values() if each.session_id == session_id]
    return totals[-1] if totals else None


def _key(scope: Scope, project: Path) -> str:
    return f"{_today()} {_project(project)}" if scope is Scope.PROJECT else _today()


def _project(path: Path) -> str:
    """The folder that a path counts to: work in a worktree of a project is work on the project."""
    parts = path.parts
    for at in range(1, len(parts) - len(_WORKTREES)):
        if parts[at : at + len(_WORKTREES)] == _WORKTREES:
            # what follows the name of the worktree is a folder in the project as well
            return str(Path(*parts[:at], *parts[at + len(_WORKTREES) + 1 :]))
    return str(worktrees.project_of(path))


def _today() -> str:
    return _day(time.time())


def _day(moment: float) -> str:
    """The day of a point in time, where this server is."""
    return time.strftime("%Y-%m-%d", time.localtime(moment))
