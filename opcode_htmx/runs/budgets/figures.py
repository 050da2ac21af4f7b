"""Budgets as values: what they are for, how they stand, and what they hold up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from opcode_htmx.lib.coerce import LATEST, as_dict
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.json_fields import number
from opcode_htmx.runs.budgets.amounts import NEGLIGIBLE, dollars, limit_words, whole_cents
from opcode_htmx.runs.budgets.ledger import day_of

WARN_AT = 0.8
LEAST_USD, MOST_USD = 0.01, 100_000.0
_MOST_SPENT = 1e9
_PAUSED = "Paused"
"""How the causes of pauses begin."""


class Scope(StrEnum):
    """What a budget is for. The names are stored."""

    RUN = "run"
    SCHEDULE = "schedule"
    PROJECT = "project"
    DAY = "day"
    UNKNOWN = "unknown"
    """Of a pause whose file is damaged."""


_OF = {
    Scope.RUN: "this run",
    Scope.SCHEDULE: "this run of a schedule",
    Scope.PROJECT: "the day in this project",
    Scope.DAY: "the day",
}


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
        return self.spent / self.limit if self.limit else 1.0

    @property
    def is_reached(self) -> bool:
        return self.spent >= self.limit - NEGLIGIBLE

    @property
    def is_near(self) -> bool:
        return self.share >= WARN_AT - NEGLIGIBLE

    @property
    def sentence(self) -> str:
        """What is used, for a warning."""
        whole = f"{dollars(self.spent)} of the {limit_words(self.limit)} for {_OF[self.scope]}"
        return f"{whole} is used; at 100% Claude is paused."

    @property
    def cause(self) -> str:
        """Why a run was paused."""
        if self.scope is Scope.UNKNOWN:
            return f"{_PAUSED} by a budget. Which one is not known any more: its file is damaged."
        return f"{_PAUSED}: {self.used_up}."

    @property
    def used_up(self) -> str:
        """That it is reached, as a part of a sentence."""
        return f"the {limit_words(self.limit)} for {_OF[self.scope]} is used up"

    @property
    def also(self) -> str:
        """That it is reached as well as another one, as a sentence."""
        return f"{_capital(self.used_up)}, too."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no prompt is sent, in any session of a project, and what a person can do about it."""

    why: str
    """A sentence."""
    words: str
    """What to do, as the beginning of a sentence that names the page of budgets."""
    rest: str = "."
    """The end of that sentence."""
    scope: Scope | None = None
    """The budget that is used up; None where they cannot be read."""
    spent: float = 0.0
    others: tuple[Standing, ...] = ()
    """Further budgets that are used up."""

    @property
    def sentence(self) -> str:
        whys = " ".join([self.why, *(each.also for each in self.others)])
        return f"{whys} {self.words}{self.rest}"

    @classmethod
    def by(cls, reached: Standing, *others: Standing) -> Refusal:
        """Of the budgets of a day that are used up."""
        return cls(
            f"{_capital(reached.used_up)}.",
            "Allow more under Budgets",
            ", or wait for tomorrow.",
            reached.scope,
            reached.spent,
            others,
        )


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
        """How much more "Go on" allows: the same again for a run, half of it for a day.

        A day may have cost more than its limit: Claude goes on only beyond that. The day after, it
        needs no more: 0.
        """
        if self.scope in (Scope.RUN, Scope.SCHEDULE):
            return self.limit
        return 0.0 if day_of(self.at) != day_of(time.time()) else _more_for_day(self.standing)

    def ends_at(self, limit: float | None, spent: float) -> bool:
        """Whether the limit that holds now, None for none, asks for no pause any more.

        `spent` is the amount spent now. The amount at the pause counts as well: to save the
        same limit the day after decides nothing. The limits of schedules are not in the book.
        """
        if self.scope in (Scope.SCHEDULE, Scope.UNKNOWN):
            return False
        return limit is None or not Standing(self.scope, max(spent, self.spent), limit).is_reached

    @classmethod
    def parse(cls, found: dict[str, Any]) -> Hold:
        """Raises ValueError, KeyError or TypeError, as the next ones: NaN is below every limit, and
        infinity above it for ever.
        """
        return cls(
            str(found["run_id"]),
            Scope(found["scope"]),
            number(found["spent"], _MOST_SPENT),
            number(found["limit"], _MOST_SPENT),
            number(found["at"], LATEST),
            bool(found.get("was_working", True)),
        )


@dataclass(frozen=True, slots=True)
class Pause:
    """A session that is held, with the figures of now: costs come late, and budgets are changed."""

    hold: Hold
    now: Standing | None
    """How its budget stands; None where there is none any more, or it is not known."""
    others: tuple[Standing, ...] = ()
    """Other budgets that are used up: it goes on only once a person allows more of them."""

    @property
    def stops(self) -> str:
        """What keeps it from going on, as a sentence: its own budget, if that is used up."""
        is_own = self.now is None or self.now.is_reached or not self.others
        return self.cause if is_own else self.others[0].cause

    @property
    def cause(self) -> str:
        now = self.now or self.hold.standing
        if self.now is None or now.is_reached:
            return now.cause
        return f"{_PAUSED}: the {limit_words(self.hold.limit)} for {_OF[now.scope]} was used up."

    @property
    def figures(self) -> str:
        """What is used of it, as a sentence; empty where that is not known."""
        now = self.now or self.hold.standing
        if self.now is None or now.is_reached:
            return f"{dollars(now.spent)} so far." if now.spent else ""
        return f"Now it is {dollars(now.spent)} of {limit_words(now.limit)}."

    @property
    def more(self) -> float:
        """As that of the hold, by what is spent and allowed now."""
        if self.now is None:
            return self.hold.more
        if self.now.scope in (Scope.RUN, Scope.SCHEDULE):
            return self.now.limit
        return _more_for_day(self.now) if self.now.is_reached else 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """The limits, and what a person has added to those of a day."""

    limits: Limits = Limits()
    extra: Mapping[str, float] = field(default_factory=dict)
    """By `<day>` or `<day> <project>`."""

    def with_limits(self, limits: Limits) -> Kept:
        """Other limits; what was added to one that changes ends with it."""
        is_kept = {
            Scope.DAY: limits.day == self.limits.day,
            Scope.PROJECT: limits.project == self.limits.project,
        }
        extra = {
            key: each
            for key, each in self.extra.items()
            if is_kept[Scope.PROJECT if " " in key else Scope.DAY]
        }
        return Kept(limits, extra)

    @classmethod
    def parse(cls, found: dict[str, Any]) -> Kept:
        amounts = {name: found.get(name) for name in ("run", "day", "project")}
        limits = {
            name: None if amount is None else number(amount, MOST_USD)
            for name, amount in amounts.items()
        }
        extra = {
            str(key): number(each, _MOST_SPENT) for key, each in as_dict(found.get("extra")).items()
        }
        return cls(Limits(**limits), extra)


def is_pause(cause: str) -> bool:
    """Whether a run has ended with this cause because a budget was used up."""
    return cause.startswith((f"{_PAUSED}: the $", f"{_PAUSED} by a budget."))


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _more_for_day(reached: Standing) -> float:
    return whole_cents(max(0.0, reached.spent - reached.limit) + reached.limit / 2)
