"""What runs may cost, and which sessions wait for a person because it is used up.

Costs are those that Claude reports itself, in US dollars. Files, which all workers share; knows
nothing of processes or pages.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path

from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.runs.budgets import spending
from opcode_htmx.runs.budgets.figures import Hold, Kept, Limits, Refusal, Scope, Standing
from opcode_htmx.runs.budgets.files import VERSION, is_unreadable, locked
from opcode_htmx.runs.budgets.holds import Holds
from opcode_htmx.runs.budgets.ledger import project_of
from opcode_htmx.runs.budgets.spending import Spending

LIMITS, SPENDING, HOLDS = "budgets.json", "spending.json", "budget_holds"
"""Their names in the state folder."""
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


class BudgetBook:
    """The budgets of this server. One instance per worker, or several: the files are the state."""

    def __init__(self, state: Path) -> None:
        """`state` is the state folder."""
        self._lock = state / f"{LIMITS}.lock"
        self._path = state / LIMITS
        self._limits = CachedJsonFiles(JsonFileSchema(VERSION, Kept.parse), 1)
        self.spending = Spending(state / SPENDING, self._lock)
        self._holds = Holds(state / HOLDS)

    @property
    def version(self) -> object:
        """Changes whenever a limit, a cost or a hold has changed, or another day has begun.

        None where one has just changed.
        """
        limits = self._limits.seen(self._path)
        parts = limits, self.spending.version, self._holds.version, spending.today()
        return None if parts[2] is None else parts

    # --- limits -----------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        return self._kept().limits

    @property
    def extra_today(self) -> float:
        """What a person has allowed today beyond the budget of a day; 0 without one."""
        kept = self._kept()
        return kept.extra.get(spending.today(), 0.0) if kept.limits.day else 0.0

    @property
    def project_extras_today(self) -> dict[Path, float]:
        """The same of projects."""
        kept, begin = self._kept(), f"{spending.today()} "
        extra = kept.extra.items() if kept.limits.project else ()
        return {Path(key[len(begin) :]): more for key, more in extra if key.startswith(begin)}

    def set_limits(self, limits: Limits) -> None:
        """Set all limits, and end the pauses that they no longer ask for.

        Extra amounts allowed beyond a limit end where that limit changes.
        A file that cannot be read is quarantined. Raises OSError, DiskFull.
        """
        with locked(self._lock):
            self._write_limits(self._kept().with_limits(limits))
            if self.spending.is_unreadable:
                self.spending.write({})
            self._holds.remove_where(lambda hold: hold.ends_at(*self._now_of(hold)))

    def add(self, scope: Scope, project: Path, amount: float) -> None:
        """Allow more for the rest of today, of a day or a project.

        Raises BudgetReached where the limits cannot be read, OSError, DiskFull.
        """
        with locked(self._lock):
            self._add(scope, project, amount)

    def _add(self, scope: Scope, project: Path, amount: float) -> None:
        self._check_limits()
        key, kept, day = _key(scope, project), self._kept(), spending.today()
        extra = {each: more for each, more in kept.extra.items() if each.startswith(day)}
        self._write_limits(replace(kept, extra={**extra, key: extra.get(key, 0.0) + amount}))

    # --- how they stand ---------------------------------------------------------------------

    def standings(self, run_id: str, project: Path) -> list[Standing]:
        """How the budgets stand that hold for a run, the narrowest first."""
        run = self.limits.run
        own = [Standing(Scope.RUN, self.spending.of_run(run_id), run)] if run else []
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
                found.append(Standing(scope, self.spending.of_today(where), limit + extra))
        return found

    # --- holds ------------------------------------------------------------------------------

    def hold(self, session_id: str) -> Hold | None:
        """Why a session is paused; None if it is not."""
        return self._holds.of_session(session_id)

    def held(self) -> dict[str, Hold]:
        """Why sessions are paused, by their ids, the one that was paused last first."""
        return self._holds.all()

    def sessions_of(self, hold: Hold) -> list[str]:
        """The sessions that wait for the decision about it: one, or two after a `/clear`."""
        return self._holds.sessions_of(hold)

    def set_hold(
        self,
        session_id: str,
        run_id: str,
        standing: Standing,
        *,
        was_working: bool = True,
        also: str = "",
    ) -> None:
        """Hold a session, and `also` another one, until a person decides in either.

        Raises OSError, DiskFull.
        """
        scope, spent, limit = standing.scope, standing.spent, standing.limit
        # not while another hold of the session is ended, which would end this one as well
        with locked(self._lock):
            hold = Hold(run_id, scope, spent, limit, time.time(), was_working)
            for each in filter(None, (session_id, also)):
                self._holds.put(each, hold)

    def go_on(self, session_id: str, hold: Hold, project: Path, more: float | None = None) -> bool:
        """Allow `more` (None: what the hold needed) and release it; False if decided elsewhere.

        Two phones allow it once. Raises BudgetReached where the limits cannot be read, or a budget
        is used up all the same: then nothing has changed. OSError, DiskFull.
        """
        more = hold.more if more is None else more
        with locked(self._lock):
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
        is_known = hold.scope is not Scope.PROJECT or self.spending.has_noted(hold.run_id)
        if limit is None or not is_known:
            return None
        if hold.scope is Scope.RUN:  # it may have been forgotten
            spent = max(spent, hold.spent)
        return Standing(hold.scope, spent, limit)

    def others_used_up(self, hold: Hold, project: Path) -> tuple[Standing, ...]:
        """The budgets of a day that are used up beside the one that a session is held by."""
        found = self._standings_of_day(project)
        return tuple(each for each in found if each.is_reached and each.scope is not hold.scope)

    def release(self, session_id: str) -> bool:
        """Hold a session no longer; whether it was held. A damaged file is quarantined.

        So others of the same hold. Raises OSError, DiskFull.
        """
        with locked(self._lock):
            return self._release(session_id)

    def _release(self, session_id: str) -> bool:
        hold = self.hold(session_id)
        for each in self.sessions_of(hold) if hold else ():
            if each != session_id:
                self._holds.remove(each)
        return self._holds.remove(session_id)  # last: until then the person may decide again

    def _now_of(self, hold: Hold) -> tuple[float | None, float]:
        """The limit that holds now for what a pause is for, and what is spent of it."""
        run = self.spending.ledger.get(hold.run_id)
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
        reached = [
            each
            for each in self._standings_of_day(project)
            if replace(each, limit=each.limit + (more if each.scope is scope else 0.0)).is_reached
        ]
        return Refusal.by(*reached) if reached else None

    # --- files ------------------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """Why no budget can be read from its file, in a sentence; empty where all can be read."""
        found = self._problem()
        return found.sentence if found else ""

    def _problem(self) -> Refusal | None:
        if is_unreadable(self._limits, self._path):
            return LIMITS_UNREADABLE
        if self.limits.any and self.spending.is_unreadable:
            return SPENDING_UNREADABLE
        return None

    def _check_limits(self) -> None:
        if is_unreadable(self._limits, self._path):
            raise BudgetReached(LIMITS_UNREADABLE.sentence, LIMITS_UNREADABLE)

    def _kept(self) -> Kept:
        return self._limits.read(self._path) or Kept()

    def _write_limits(self, kept: Kept) -> None:
        self._limits.write(self._path, {**asdict(kept.limits), "extra": dict(kept.extra)})


def _key(scope: Scope, project: Path) -> str:
    day = spending.today()
    return f"{day} {project_of(project)}" if scope is Scope.PROJECT else day
