"""A schedule, what it starts, and what has come of it; and their JSON. Pure."""

from __future__ import annotations

import re
import uuid
from dataclasses import asdict, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.json_fields import fields_of, number
from opcode_htmx.lib.formatting import one_line
from opcode_htmx.lib.identity import UNKNOWN, Identity
from opcode_htmx.sessions.schedules.timing import LATEST, Kind, Timing, Unit, checked

SCHEDULE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
KEPT = 50
"""Occurrences of a schedule whose outcome is kept."""
DEFAULT_MINUTES = 60
MOST_MINUTES = 7 * 24 * 60
LEAST_USD, MOST_USD = 0.01, 10_000.0
LONGEST_NAME = 80
_IDS = uuid.UUID("5c9e0f2a-7d0b-4a52-9a55-2f7f9b1f6d11")


class Origin(StrEnum):
    """From where a schedule was made, which says how it is shown."""

    PAGE = "page"
    SEND_LATER = "send later"
    """A prompt of a composer."""
    LIMIT = "limit"
    """Goes on once a usage limit has been reset."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a schedule starts: a prompt in a folder, in a session that exists or in a new one.

    The prompt is the task of the agent, if one is chosen; it begins a new session. None is left to
    the settings of Claude and of the server, in a session that exists to what was chosen for it,
    and of an agent to what it has.
    """

    folder: str
    prompt: str
    session_id: str = ""
    model: str | None = None
    effort: str | None = None
    permission_mode: str | None = None
    agent_id: int | None = None
    in_worktree: bool = False
    """Whether the agent works in a new git worktree of the folder."""

    @property
    def options(self) -> dict[str, str | bool | None]:
        """The run options that are chosen, by their names."""
        chosen = {
            "model": self.model,
            "effort": self.effort,
            "permission_mode": self.permission_mode,
        }
        return {name: value for name, value in chosen.items() if value}


@dataclass(frozen=True, slots=True)
class Schedule:
    id: str
    work: Work
    timing: Timing
    name: str = ""
    catch_up: bool = False
    """Whether there is one start for the missed ones."""
    minutes: int = DEFAULT_MINUTES
    """How long Claude may work in each run, not counting where it waits for an answer."""
    budget_usd: float | None = None
    """What each run may cost."""
    paused: bool = False
    origin: Origin = Origin.PAGE
    by: Identity = UNKNOWN
    created_at: float = 0.0

    @property
    def title(self) -> str:
        return self.name or one_line(self.work.prompt, LONGEST_NAME)

    @property
    def revision(self) -> str:
        """Changes whenever a person has changed what it does or when."""
        set_by_form = (self.work, self.timing, self.name)
        limits = (self.catch_up, self.minutes, self.budget_usd)
        return sha256(repr((set_by_form, limits)).encode("utf-8", "replace")).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "by": self.by.as_json()}

    @classmethod
    def parse(cls, found: dict[str, Any]) -> Schedule:
        """Raises ValueError, KeyError, TypeError or AttributeError for what this program would not
        have kept: whatever reads a schedule relies on its values.
        """
        timing = found["timing"]
        schedule = cls(
            **{
                **fields_of(cls, found),
                "work": Work(**fields_of(Work, found["work"])),
                "timing": checked(
                    replace(
                        Timing(**fields_of(Timing, timing)),
                        kind=Kind(timing["kind"]),
                        unit=Unit(timing["unit"]),
                    )
                ),
                "origin": Origin(found.get("origin", Origin.PAGE)),
                "by": Identity.from_json(found.get("by", {})),
            }
        )
        budget = schedule.budget_usd
        if (
            not SCHEDULE_ID.fullmatch(schedule.id)
            or not 1 <= schedule.minutes <= MOST_MINUTES
            or not (budget is None or LEAST_USD <= budget <= MOST_USD)
            or schedule.created_at > LATEST
        ):
            raise ValueError("a value is out of its range")
        return schedule


class State(StrEnum):
    """What has come of a due time."""

    STARTING = "starting"
    """Noted before the start: after a crash it is started again, under the same ids."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """By a person, or a limit of the schedule."""
    MISSED = "missed"
    """No server ran."""
    SKIPPED = "skipped"
    """The run before was still at work."""
    REFUSED = "refused"
    """It could not be started; the sentence says why."""


OPEN = frozenset({State.STARTING, State.RUNNING})
NOT_SENT = frozenset({State.MISSED, State.SKIPPED, State.REFUSED})


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One due time of a schedule, and what has come of it. Times are Unix times."""

    due: float
    state: State
    at: float
    """When it was decided."""
    session_id: str = ""
    prompt_id: str = ""
    run_id: str = ""
    sentence: str = ""
    cost_usd: float | None = None
    cost_before: float = 0.0
    """What the run had cost before it."""
    worked: float = 0.0
    """Seconds for which Claude has worked on it, as far as was looked."""
    ended_at: float | None = None
    missed: int = 0
    """How many due times it stands for, if it was missed."""
    by_hand: bool = False

    @classmethod
    def parse(cls, found: dict[str, Any]) -> Occurrence:
        occurrence = cls(**{**fields_of(cls, found), "state": State(found["state"])})
        for moment in (occurrence.due, occurrence.at, occurrence.ended_at or 0.0):
            number(moment, LATEST)
        return occurrence


@dataclass(frozen=True, slots=True)
class Progress:
    """Up to when the due times of a schedule are decided, and the last decisions, newest last."""

    handled: float = 0.0
    occurrences: tuple[Occurrence, ...] = field(default_factory=tuple)

    @property
    def open(self) -> list[Occurrence]:
        return [each for each in self.occurrences if each.state in OPEN]

    def with_(self, *more: Occurrence, handled: float | None = None) -> Progress:
        """The same with further occurrences; one with the prompt of an earlier one replaces it."""
        ids = {each.prompt_id for each in more if each.prompt_id}
        kept = [each for each in self.occurrences if each.prompt_id not in ids]
        found = sorted([*kept, *more], key=lambda each: each.at)
        closed = [each for each in found if each.state not in OPEN][-KEPT:]
        opened = [each for each in found if each.state in OPEN]
        occurrences = tuple(sorted([*closed, *opened], key=lambda each: each.at))
        return Progress(self.handled if handled is None else handled, occurrences)

    def as_json(self) -> dict[str, Any]:
        return {"handled": self.handled, "occurrences": [asdict(e) for e in self.occurrences]}

    @classmethod
    def parse(cls, found: dict[str, Any]) -> Progress:
        occurrences = tuple(map(Occurrence.parse, found["occurrences"]))
        return cls(number(found["handled"], LATEST), occurrences)


def session_id_of(schedule_id: str, due: float) -> str:
    """The id of the new session of a due time: always the same, so that it is begun once."""
    return str(uuid.uuid5(_IDS, f"session {schedule_id} {due:.3f}"))


def prompt_id_of(schedule_id: str, due: float) -> str:
    """The id of the prompt of a due time: always the same, so that it is sent once."""
    return str(uuid.uuid5(_IDS, f"prompt {schedule_id} {due:.3f}"))


def limit_schedule_id(session_id: str, until: float) -> str:
    """The id of the schedule that goes on after a limit: two taps, or two phones, make one."""
    return uuid.uuid5(_IDS, f"limit {session_id} {until:.0f}").hex
