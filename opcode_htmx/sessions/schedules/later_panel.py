"""Render what a session will be sent by itself, what it is offered, and why it is sent nothing."""

from __future__ import annotations

import time
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING

from jinja2 import Environment
from jinja2.environment import TemplateModule
from markupsafe import Markup

from opcode_htmx.runs.budgets.amounts import as_typed, dollars
from opcode_htmx.sessions.schedules.planned import Offer, Planned, PlannedPrompts
from opcode_htmx.sessions.schedules.session_budgets import Budgets, SessionBudgets
from opcode_htmx.transcript.parts.limits import ReachedLimit, reached_limit

if TYPE_CHECKING:
    from opcode_htmx.transcript.conversation.conversation import Conversation

KEPT = 64


Contents = tuple[Budgets, Offer | None, tuple[Planned, ...]]


class LaterPanel:
    """The element `later` of all sessions' pages; cached until its contents change."""

    def __init__(
        self,
        environment: Environment,
        planned: PlannedPrompts,
        budgets: SessionBudgets,
    ) -> None:
        self._environment = environment
        self._planned = planned
        self._budgets = budgets
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
            self._budgets.of(session_id, folder),
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
