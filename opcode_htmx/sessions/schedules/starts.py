"""The starts of a schedule as they are noted: before, while it runs, and after its turn."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from opcode_htmx.engines.messages import INTERRUPTED
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Hold, Scope, Standing
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.events.types import TurnEnded
from opcode_htmx.sessions.schedules.model import (
    OPEN,
    Occurrence,
    Schedule,
    State,
    prompt_id_of,
    session_id_of,
)
from opcode_htmx.sessions.schedules.store import ScheduleStore


def starting(schedule: Schedule, due: float, *, by_hand: bool = False) -> Occurrence:
    """The note of a start, which the worker that starts schedules carries out.

    `by_hand`: beside the due times.
    """
    key = f"{schedule.id} by hand" if by_hand else schedule.id
    return Occurrence(
        due,
        State.STARTING,
        time.time(),
        session_id=schedule.work.session_id or session_id_of(key, due),
        prompt_id=prompt_id_of(key, due),
        by_hand=by_hand,
    )


def note_turn(store: ScheduleStore, event: TurnEnded) -> None:
    """Note how the turn of a prompt of a schedule has ended, and its cost."""
    if not event.prompt_ids:
        return
    for schedule in store.all():
        for each in store.progress(schedule.id).occurrences:
            if each.prompt_id in event.prompt_ids:
                store.update(schedule.id, each.prompt_id, partial(_after_turn, event))


def started(run_id: str, spent: float, each: Occurrence) -> Occurrence:
    """A noted start that a run carries out now, which has cost `spent` (US dollars) before."""
    if each.state is not State.STARTING:  # a short turn is over already
        return replace(each, run_id=run_id)
    return replace(each, state=State.RUNNING, run_id=run_id, cost_before=spent)


def _after_turn(event: TurnEnded, each: Occurrence) -> Occurrence:
    cost = event.usage.cost_usd
    found = replace(each, cost_usd=each.cost_usd if cost is None else cost)
    if event.reason in INTERRUPTED or each.state not in {*OPEN, State.DONE}:
        return found  # the end of the run says why
    return replace(
        found,
        state=State.FAILED if event.is_error else State.DONE,
        sentence="Claude ended its turn with an error." if event.is_error else "",
        run_id=event.run_id,
        ended_at=event.at,
    )


def budget_of(store: ScheduleStore, book: BudgetBook, run: Run) -> Standing | None:
    """How the budget stands that a schedule has for a run of it; None if it has none."""
    schedule, started = store.bounded().get(run.id, (None, None))
    if schedule is None or started is None or not schedule.budget_usd:
        return None
    spent = max(0.0, book.spending.of_run(run.id) - started.cost_before)
    return Standing(Scope.SCHEDULE, spent, schedule.budget_usd)


def budget_of_pause(
    store: ScheduleStore, book: BudgetBook, hold: Hold
) -> tuple[Schedule, Standing | None] | None:
    """The schedule whose budget has paused a session, and how that stands; None if it is gone."""
    for schedule in store.all():
        for each in reversed(store.progress(schedule.id).occurrences):
            if each.run_id == hold.run_id:
                if not schedule.budget_usd:
                    return schedule, None
                spent = max(hold.spent, book.spending.of_run(each.run_id) - each.cost_before)
                return schedule, Standing(Scope.SCHEDULE, spent, schedule.budget_usd)
    return None
