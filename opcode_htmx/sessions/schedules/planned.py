"""What a session is going to be sent by itself, and what it is offered: for its page."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import one_line
from opcode_htmx.sessions.schedules.model import Origin, Schedule, State, limit_schedule_id
from opcode_htmx.sessions.schedules.store import ScheduleStore
from opcode_htmx.sessions.schedules.timing import Kind, inline_words
from opcode_htmx.transcript.parts.limits import ReachedLimit

SHOWN_CHARACTERS = 60
GO_ON = "Go on where you left off."
"""The prompt that a session is sent once it may go on."""
AFTER_LIMIT_SECONDS = 60.0
"""How long after the reset of a limit: clocks differ."""


def after_limit(until: float) -> float:
    """When to go on after a limit that is reset at `until`: on a full minute."""
    return math.ceil((until + AFTER_LIMIT_SECONDS) / 60) * 60.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A prompt that will be sent, or was not sent when it should have been."""

    id: str
    text: str
    when: str
    """In words."""
    is_once: bool
    after_limit: bool
    problem: str = ""
    """Why it was not sent; empty if it is still to be."""


@dataclass(frozen=True, slots=True)
class Offer:
    """To go on once a limit has been reset."""

    text: str
    """Which limit is reached."""
    until: float
    clock: str
    """When it may go on, in words."""


class PlannedPrompts:
    """Looks up what is planned for a session. Called many times a second."""

    def __init__(self, store: ScheduleStore, server_zone: str) -> None:
        self._store = store
        self._zone = server_zone

    def of(self, session_id: str) -> tuple[Planned, ...]:
        """What was not sent to a session, then what will be, the next one first."""
        now, schedules = time.time(), self._store.of_session(session_id)
        due = [(each, at) for each in schedules if (at := self._due(each))]
        planned = [_planned(each, at, now) for each, at in sorted(due, key=lambda pair: pair[1])]
        return (*filter(None, (self._unsent(each, now) for each in schedules)), *planned)

    def offer(self, session_id: str, limit: ReachedLimit | None) -> Offer | None:
        """What can be offered where a limit is reached; None if it was accepted already."""
        if limit is None or limit.until <= time.time():
            return None
        wanted = limit_schedule_id(session_id, limit.until)
        if any(each.id == wanted for each in self._store.of_session(session_id)):
            return None
        words = inline_words(after_limit(limit.until), self._zone, time.time())
        return Offer(limit.text, limit.until, words)

    def _unsent(self, schedule: Schedule, now: float) -> Planned | None:
        """A prompt for once that was not sent; None if it was, or is still to be."""
        occurrences = self._store.progress(schedule.id).occurrences
        if schedule.timing.kind is not Kind.ONCE or not occurrences:
            return None
        last = occurrences[-1]
        if last.state not in (State.MISSED, State.REFUSED):
            return None
        return replace(_planned(schedule, last.due, now), problem=last.sentence)

    def _due(self, schedule: Schedule) -> float | None:
        """When a schedule is due next; None if it is not any more."""
        if schedule.paused:
            return None
        handled = self._store.progress(schedule.id).handled
        return next(schedule.timing.due_after(handled), None)


def _planned(schedule: Schedule, due: float, now: float) -> Planned:
    return Planned(
        schedule.id,
        one_line(schedule.work.prompt, SHOWN_CHARACTERS),
        inline_words(due, schedule.timing.zone, now),
        schedule.timing.kind is Kind.ONCE,
        schedule.origin is Origin.LIMIT,
    )
