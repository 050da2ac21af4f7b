"""Render what a session will be sent by itself, what it is offered, and why it is sent nothing."""

from __future__ import annotations

import time
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment
from jinja2.environment import TemplateModule
from markupsafe import Markup

from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Pause, Refusal, Scope, as_typed, dollars
from opcode_htmx.sessions.schedules.planned import Offer, Planned, PlannedPrompts
from opcode_htmx.sessions.schedules.starts import budget_of_pause
from opcode_htmx.sessions.schedules.store import ScheduleStore
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.parts.limits import ReachedLimit, reached_limit

KEPT = 64


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


Contents = tuple[Budgets, Offer | None, tuple[Planned, ...]]


class LaterPanel:
    """The element `later` of all sessions' pages; cached until its contents change."""

    def __init__(
        self,
        environment: Environment,
        planned: PlannedPrompts,
        budgets: BudgetBook,
        schedules: ScheduleStore,
    ) -> None:
        self._environment = environment
        self._planned = planned
        self._budgets = budgets
        self._schedules = schedules
        self._known_budgets: OrderedDict[tuple[str, str], tuple[object, Budgets]] = OrderedDict()
        """By session and folder, with a version of all that they depend on."""
        self._limits: OrderedDict[str, tuple[object, ReachedLimit | None]] = OrderedDict()
        self._rendered: OrderedDict[str, tuple[object, Markup]] = OrderedDict()

    @cached_property
    def _macros(self) -> TemplateModule:
        return self._environment.get_template("session/later.html").make_module(
            {"dollars": dollars, "as_typed": as_typed}
        )

    def contents(self, conversation: Conversation, folder: str) -> Contents:
        """What is in it; equal as long as nothing has changed. `folder` is where it works."""
        session_id = conversation.session_id
        return (
            self._budgets_of(session_id, folder),
            self._planned.offer(session_id, self._limit(conversation)),
            self._planned.of(session_id),
        )

    def parts(self, conversation: Conversation, contents: Contents) -> dict[str, Markup]:
        """The element, by its id. `contents` are those of the conversation."""
        session_id = conversation.session_id
        known = self._rendered.pop(session_id, None)
        if known is None or known[0] != contents:
            markup: Markup = self._macros.later(session_id, *contents)  # type: ignore[attr-defined]
            known = contents, markup
        self._rendered[session_id] = known
        if len(self._rendered) > KEPT:
            self._rendered.popitem(last=False)
        return {"later": known[1]}

    def _budgets_of(self, session_id: str, folder: str) -> Budgets:
        """Looked for again only after a change: it sums up what was spent."""
        key = session_id, folder
        parts = self._budgets.version, self._schedules.version_with_progress
        version = None if None in parts else parts
        known = self._known_budgets.pop(key, None)
        if known is None or version is None or known[0] != version:
            known = version, self._find_budgets(session_id, folder)
        self._known_budgets[key] = known
        if len(self._known_budgets) > KEPT:
            self._known_budgets.popitem(last=False)
        return known[1]

    def _find_budgets(self, session_id: str, folder: str) -> Budgets:
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

    def _limit(self, conversation: Conversation) -> ReachedLimit | None:
        """The limit that the conversation ran into, looked for again only after a change."""
        session_id, cursor = conversation.session_id, conversation.cursor
        known = self._limits.pop(session_id, None)
        if known is None or known[0] != cursor:
            known = cursor, reached_limit(conversation.newest_first(), time.time())
        self._limits[session_id] = known
        if len(self._limits) > KEPT:
            self._limits.popitem(last=False)
        return known[1]
