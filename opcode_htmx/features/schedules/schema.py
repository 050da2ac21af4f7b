"""The requests and responses of /api/schedules.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from opcode_htmx.features.schedules.service import MODES
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.sessions.schedules.model import (
    DEFAULT_MINUTES,
    LONGEST_NAME,
    MOST_MINUTES,
    MOST_USD,
    State,
)
from opcode_htmx.sessions.schedules.timing import (
    LONGEST_EXPRESSION,
    MOST_OF_A_UNIT,
    SHOWN,
    Kind,
    Unit,
)
from opcode_htmx.web.rest.models import RequestModel, ResponseModel

Short = Annotated[str, StringConstraints(max_length=200)]


class ScheduleTiming(RequestModel):
    """When a schedule is due. Of `at`, `every` with `unit`, and `cron`, those of its kind count."""

    kind: Kind = Field(description="`once` at a time, `every` so often, or by a `cron` expression.")
    zone: Short = Field("", description="An IANA time zone. Empty: that of the server.")
    at: Short = Field(
        "",
        description="A local time such as `2026-11-30T07:00`; of `every` the first. "
        "Empty for `every`: now.",
    )
    every: int = Field(1, ge=1, le=MOST_OF_A_UNIT)
    unit: Unit = Unit.HOURS
    cron: str = Field("", max_length=LONGEST_EXPRESSION, description="Five fields.")


class NewSchedule(RequestModel):
    """A schedule to make, or all of its values to replace."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)
    project_path: str = Field(
        "", max_length=4096, description="Where each run begins a new session."
    )
    session_id: Short = Field("", description="Instead of that, a session that is sent the prompt.")
    agent_id: int | None = Field(
        None,
        ge=1,
        description="An agent that is run with the prompt as its task; it has its own model and "
        "permission mode. A change of the schedule keeps it.",
    )
    in_worktree: bool = Field(
        False, description="Whether the agent works in a new git worktree each time."
    )
    timing: ScheduleTiming
    name: str = Field("", max_length=LONGEST_NAME)
    model: Short | None = None
    effort: Short | None = None
    permission_mode: Short | None = Field(None, description=f"One of {', '.join(MODES)}.")
    minutes: int = Field(
        DEFAULT_MINUTES, ge=1, le=MOST_MINUTES, description="Of work in a run; then it is stopped."
    )
    budget_usd: float | None = Field(
        None, gt=0, le=MOST_USD, description="Of a run; then it is paused until a person decides."
    )
    catch_up: bool = Field(False, description="Whether there is one run for missed ones.")


class SchedulePause(RequestModel):
    """Whether a schedule is paused."""

    paused: bool


class ScheduleStart(RequestModel):
    """Start a schedule beside its due times. There is nothing to choose."""


class StartedSchedule(ResponseModel):
    """A run that begins within a second."""

    session_id: str


class ScheduleDetails(ResponseModel):
    """A schedule, and when it is due next."""

    id: str
    name: str
    prompt: str
    project_path: str
    session_id: str
    agent_id: int | None
    in_worktree: bool
    timing: ScheduleTiming
    words: str = Field(description="When it is due, in words.")
    next: list[str] = Field(description=f"The next {SHOWN} due times, in its time zone.")
    model: str | None
    effort: str | None
    permission_mode: str | None
    minutes: int
    budget_usd: float | None
    catch_up: bool
    paused: bool
    trust_needed: bool = Field(
        description="Whether it does not start before a person has trusted the project."
    )


class ScheduledRun(ResponseModel):
    """A due time, and what has come of it."""

    due: str
    state: State
    session_id: str
    prompt_id: str
    run_id: str
    sentence: str = Field(description="Why it was not started, or how it ended; may be empty.")
    cost_usd: float | None
    missed: int = Field(description="How many due times it stands for, if it was missed.")
    by_hand: bool
