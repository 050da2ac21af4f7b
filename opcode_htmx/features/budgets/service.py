"""Budgets as a person writes them, and what happens when a paused session goes on."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.budgets.amounts import typed_amount
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import (
    LEAST_USD,
    MOST_USD,
    Hold,
    Limits,
    Pause,
    Scope,
    Standing,
)
from opcode_htmx.runs.control.prompt_queue import queue, waiting_prompt
from opcode_htmx.runs.model.prompt_content import images_in, words_of
from opcode_htmx.runs.registry import RunNotFound
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.folder_labels import shortened
from opcode_htmx.sessions.locations import SessionLocations
from opcode_htmx.sessions.schedules.planned import GO_ON
from opcode_htmx.sessions.submit import Attach, Attachments, PromptSubmitter

MOST_NAMED = 5
"""Projects that are named where more of them have no budget left."""
_SHOWN = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")
_IDS = uuid.UUID("8f1f9f0e-1f0a-4d51-9d55-4f1c0d0f4c55")


class InvalidBudget(Exception):
    """An amount that is none; the text is a sentence for the person."""


def amount(text: str) -> float | None:
    """An amount of dollars that a person typed; None for none. Raises InvalidBudget."""
    try:
        found = typed_amount(text)
    except ValueError:
        found = 0.0
    if found is None:
        return None
    if not 0 < found <= MOST_USD:
        raise InvalidBudget("Write a budget in dollars, such as 2.50, or leave it empty.")
    _check_least(found)
    return found


def shown_more(text: str) -> float | None:
    """What a button offered to allow, as `as_typed` writes it; None where there is nothing.

    Raises InvalidBudget for what cannot be read: nobody has seen how much it would allow.
    """
    if not text:
        return None
    if not _SHOWN.fullmatch(text) or float(text) > MOST_USD:
        raise InvalidBudget("How much to allow cannot be read. Reload the page and decide again.")
    return float(text)


def check(limits: Limits) -> None:
    """Raises InvalidBudget where one is too small to be meant."""
    for each in (limits.run, limits.day, limits.project):
        if each is not None:
            _check_least(each)


def _check_least(budget: float) -> None:
    if budget < LEAST_USD:
        raise InvalidBudget(f"A budget is at least ${LEAST_USD}.")


@dataclass(frozen=True, slots=True)
class UsedUp:
    """The budgets of a day that are used up already."""

    day: float | None
    """What the day has cost, in US dollars; None where its budget is not used up."""
    projects: list[tuple[str, float]]
    """The folders, with what today has cost there, the dearest first; at most MOST_NAMED."""
    more: int
    """The number of further projects."""


def used_up(book: BudgetBook) -> UsedUp:
    """What stops Claude from now on until the day is over."""
    day = book.standing_of_day()
    projects = [(folder, each.spent) for folder, each in _of_projects(book) if each.is_reached]
    spent = day.spent if day and day.is_reached else None
    return UsedUp(spent, projects[:MOST_NAMED], len(projects[MOST_NAMED:]))


def of_projects(book: BudgetBook) -> tuple[list[tuple[str, Standing]], int]:
    """How the budget of projects stands, with their folders, and how many more there are.

    Those in which it is used up first, then the dearest; at most MOST_NAMED. None without one.
    """
    found = sorted(_of_projects(book), key=lambda each: not each[1].is_reached)
    return found[:MOST_NAMED], len(found[MOST_NAMED:])


def _of_projects(book: BudgetBook) -> list[tuple[str, Standing]]:
    """The projects in which today has cost something, the dearest first."""
    limit, more = book.limits.project, book.project_extras_today
    if not limit:
        return []
    found = [
        (shortened(project), Standing(Scope.PROJECT, spent, limit + more.get(project, 0.0)))
        for project, spent in book.spending.by_project().items()
    ]
    return sorted(found, key=lambda each: (-each[1].spent, each[0]))


def extras(book: BudgetBook) -> tuple[list[tuple[str, float]], int]:
    """What was allowed more today in projects: the largest, with their folders, and how many more.

    At most MOST_NAMED are named.
    """
    found = [(shortened(folder), more) for folder, more in book.project_extras_today.items()]
    found.sort(key=lambda each: (-each[1], each[0]))
    return found[:MOST_NAMED], len(found[MOST_NAMED:])


@dataclass(frozen=True, slots=True)
class GoOn:
    """Goes on with a session that a budget has paused, or leaves it stopped."""

    supervisor: Supervisor
    submitter: PromptSubmitter
    locations: SessionLocations

    def go_on(self, session_id: str, *, by: Identity, more: float | None = None) -> str:
        """Allow more, finish the turn that was interrupted, and send what waits. Once.

        All of it in the session that Claude was in, which is returned: after a `/clear` that may be
        another one than that in which it was decided. `more` is what the person saw on the button;
        None: what it takes now. Raises SessionNotFound, FolderUnknown, BudgetReached where it is
        too little by now, OSError and what PromptSubmitter.submit does.
        """
        location, book = self.locations.of(session_id), self.supervisor.budgets
        session_id, folder = location.session_id, location.working_folder
        hold = book.hold(session_id)
        if hold is None:
            return session_id  # decided on another phone
        if more is None:
            more = Pause(hold, book.standing_of(hold)).more
        held = list(dict.fromkeys((session_id, *book.sessions_of(hold))))
        target = self._left_in(hold, session_id, held)
        if not book.go_on(session_id, hold, folder, more):
            return session_id
        log_act(by, "budget.go_on", session=session_id, scope=hold.scope)
        if hold.was_working:
            self.submitter.submit(target, folder, _prompt_id(hold), GO_ON, by=by)
        for each in held:
            self._send_waiting(each, target, folder, by)
        self._notify(*held)
        return target

    def _left_in(self, hold: Hold, session_id: str, held: Collection[str]) -> str:
        """The session that Claude was in as it was paused, as far as that is known."""
        with contextlib.suppress(RunNotFound):
            run = self.supervisor.get(hold.run_id)
            run.fold_new_lines(last=run.record.end is not None)  # another worker may have owned it
            found = run.state.session_id
            if found in held and self.locations.exists(found):
                return found
        return session_id

    def stop(self, session_id: str, *, by: Identity) -> None:
        """Leave the session as it is; the next prompt is sent again.

        Raises SessionNotFound, OSError.
        """
        session_id = self.locations.of(session_id).session_id
        book = self.supervisor.budgets
        hold = book.hold(session_id)
        held = book.sessions_of(hold) if hold else ()
        if book.release(session_id):
            log_act(by, "budget.stop", session=session_id)
        self._notify(session_id, *held)

    def _notify(self, *session_ids: str) -> None:
        for session_id in dict.fromkeys(session_ids):
            self.supervisor.changes(session_id).notify()

    def _send_waiting(self, session_id: str, target: str, folder: Path, by: Identity) -> None:
        """Send to `target` the prompts that the paused run of a session had not taken up."""
        runs = self.supervisor.of_session(session_id)
        by_id = {run.id: run for run in runs}
        for each in queue(runs):
            if each.left:
                run = by_id[each.run_id]
                prompt = waiting_prompt(run, each.prompt_id)
                images = images_in(prompt)
                self.submitter.submit(
                    target,
                    folder,
                    each.prompt_id,
                    words_of(prompt),
                    attach=_attaching(images) if images else None,
                    again=True,
                    by=by,
                )
                if target != session_id:  # else it would be offered there once more
                    run.note(run.codec.withdrawn_line(each.prompt_id))


def _attaching(images: Sequence[ImageContent]) -> Attach:
    return lambda _folder: Attachments(images=images)


def _prompt_id(hold: Hold) -> str:
    return str(uuid.uuid5(_IDS, f"{hold.run_id} {hold.at:.6f}"))
