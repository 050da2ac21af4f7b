"""Schedules as pages show them: due times and outcomes in words."""

from __future__ import annotations

import time
from pathlib import Path

from flask import url_for

from opcode_htmx.engines.claude.files.sessions import SessionNotFound
from opcode_htmx.features.schedules.service import Schedules
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.budgets.amounts import dollars
from opcode_htmx.runs.policies.working_folders import path_of
from opcode_htmx.sessions.folder_labels import name_of
from opcode_htmx.sessions.schedules.model import Occurrence, Schedule, State
from opcode_htmx.sessions.schedules.timing import day_words
from opcode_htmx.web.http.forms import session_url

STATES = {
    State.STARTING: "Starts in a moment",
    State.RUNNING: "Running",
    State.DONE: "Done",
    State.FAILED: "Failed",
    State.STOPPED: "Stopped",
    State.MISSED: "Missed",
    State.SKIPPED: "Skipped",
    State.REFUSED: "Not started",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the history. `address` is that of the session; empty if there is none."""

    state: State
    label: str
    when: str
    sentence: str
    cost: str
    address: str
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A schedule in the list. `next` is empty where it is not due any more."""

    schedule: Schedule
    project: str
    agent: str
    """Its name; empty without one, or if it was deleted."""
    when: str
    next: str
    last: Outcome | None
    problem: str
    """Why it would not start; empty if nothing is known."""


class ScheduleViews:
    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    def rows(self) -> list[Row]:
        """Those that are due next first, then the paused ones, then those that are over."""
        found = list[tuple[list[float], Schedule]]()
        for schedule in yielding(self._schedules.store.all()):
            found.append((self.due(schedule, 1), schedule))
        far = [float("inf")]
        found.sort(
            key=lambda pair: (not pair[0], pair[1].paused, pair[0] or far, -pair[1].created_at)
        )
        return [self._row(schedule, due) for due, schedule in yielding(found)]

    def row(self, schedule: Schedule) -> Row:
        return self._row(schedule, self.due(schedule, 1))

    def _row(self, schedule: Schedule, due: list[float]) -> Row:
        occurrences = self._schedules.store.progress(schedule.id).occurrences
        return Row(
            schedule,
            name_of(self._folder(schedule), self._schedules.workspace),
            self._schedules.agents.name(schedule.work.agent_id),
            schedule.timing.words(),
            self.words(schedule, due[0]) if due else "",
            self._outcome(schedule, occurrences[-1], "") if occurrences else None,
            self._schedules.problem(schedule) if due else "",
        )

    def due(self, schedule: Schedule, number: int) -> list[float]:
        """The due times that are ahead."""
        handled = self._schedules.store.progress(schedule.id).handled
        return schedule.timing.next(max(handled, time.time() - 1), number)

    def words(self, schedule: Schedule, moment: float) -> str:
        return day_words(moment, schedule.timing.zone, time.time())

    def history(self, schedule: Schedule) -> list[Outcome]:
        """What has come of the last due times, the newest first."""
        progress = self._schedules.store.progress(schedule.id)
        return [
            self._outcome(schedule, each, self.address(each.session_id))
            for each in yielding(reversed(progress.occurrences))
        ]

    def _outcome(self, schedule: Schedule, each: Occurrence, address: str) -> Outcome:
        copies = self._schedules.copies
        is_set_up = (
            each.state is State.STARTING
            and copies is not None
            and copies.is_under_way(each.session_id)
        )
        return Outcome(
            each.state,
            "Setting up the copy" if is_set_up else STATES[each.state],
            self.words(schedule, each.due),
            each.sentence.removeprefix("Stopped: "),
            "" if each.cost_usd is None else dollars(each.cost_usd),
            address,
            each.by_hand,
        )

    def address(self, session_id: str) -> str:
        """The page of a session, or of its start in a copy; empty if there is no such session."""
        if not session_id:
            return ""
        try:
            location = self._schedules.locations.of(session_id)
        except SessionNotFound:
            copies = self._schedules.copies
            record = copies.of_session(session_id) if copies else None
            if record is None or not record.state.is_open:
                return ""
            return url_for("worktrees.starting", session_id=session_id)
        return session_url(location.claude_folder, location.session_id)

    def _folder(self, schedule: Schedule) -> Path:
        return path_of(schedule.work.folder)
