"""Describe what budgets mean for the next prompt of a session: on its page, and in lists."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Pause, Refusal, Scope
from opcode_htmx.runs.control.run import Run
from opcode_htmx.sessions.schedules.starts import budget_of_pause
from opcode_htmx.sessions.schedules.store import ScheduleStore

KEPT = 500
"""Sessions for which what was found is kept: those asked for last."""


class Budgets(NamedTuple):
    """What budgets mean for the next prompt of a session."""

    pause: Pause | None = None
    """Why the session waits for a decision."""
    refusal: Refusal | None = None
    """Why no session of its project is sent a prompt; not looked for in one that is paused."""
    schedule_id: str = ""
    """The schedule whose budget the pause is by."""

    @property
    def stop(self) -> str:
        """Why the next prompt is not going to be sent, as a sentence; empty where it is."""
        if self.pause is not None:
            return self.pause.stops
        return self.refusal.why if self.refusal else ""


class SessionBudgets:
    """Finds them again only after a change, for it sums up what was spent."""

    def __init__(self, budgets: BudgetBook, schedules: ScheduleStore) -> None:
        self._budgets = budgets
        self._schedules = schedules
        self._known: OrderedDict[tuple[str, str], tuple[object, Budgets]] = OrderedDict()
        """By session and folder, with a version of all that they depend on."""

    def of(self, session_id: str, folder: str) -> Budgets:
        """Those of a session; `folder` is where it works, empty if that is unknown."""
        return self._of(session_id, folder, self._version())

    def stop_of(self, run: Run) -> str:
        """Why the session of a run is sent no prompt, as a sentence; empty where it is."""
        return self.of(run.record.session_id, run.record.project_path).stop

    def stops(self) -> Callable[[str, str], str]:
        """The same by session and folder, as of now: for a list, which looks for changes once."""
        version = self._version()
        return lambda session_id, folder: self._of(session_id, folder, version).stop

    def _version(self) -> object:
        parts = self._budgets.version, self._schedules.version_with_progress
        return None if None in parts else parts

    def _of(self, session_id: str, folder: str, version: object) -> Budgets:
        key = session_id, folder
        known = self._known.pop(key, None)
        if known is None or version is None or known[0] != version:
            known = version, self._find(session_id, folder)
        self._known[key] = known
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return known[1]

    def _find(self, session_id: str, folder: str) -> Budgets:
        hold = self._budgets.hold(session_id)
        if hold is None:
            return Budgets(refusal=self._budgets.refusal(Path(folder or "/")))
        others = self._budgets.others_used_up(hold, Path(folder or "/"))
        if hold.scope is not Scope.SCHEDULE:
            return Budgets(Pause(hold, self._budgets.standing_of(hold), others))
        found = budget_of_pause(self._schedules, self._budgets, hold)
        if found is None:
            return Budgets(Pause(hold, None, others))
        return Budgets(Pause(hold, found[1], others), schedule_id=found[0].id)
