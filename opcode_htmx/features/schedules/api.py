"""/api/schedules: list, make, change, pause, start and delete schedules, and their outcomes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from opcode_htmx.features.schedules.service import MODES, Schedules, Wanted
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.sessions.schedules import zones
from opcode_htmx.sessions.schedules.model import (
    DEFAULT_MINUTES,
    LONGEST_NAME,
    MOST_MINUTES,
    MOST_USD,
    Occurrence,
    Schedule,
    State,
    Work,
)
from opcode_htmx.sessions.schedules.timing import (
    LONGEST_EXPRESSION,
    MOST_OF_A_UNIT,
    SHOWN,
    Kind,
    Timing,
    Unit,
    now_in,
)
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.models import RequestModel, ResponseModel

TAG = "Schedules"
ALL, ONE = "/api/schedules", "/api/schedules/{schedule_id}"
UNKNOWN = {404: "There is no such schedule or session."}
REFUSED = {
    **UNKNOWN,
    403: "Bypass mode is not allowed on this server.",
    409: "There are too many schedules.",
}
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


class SchedulesApi:
    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ALL,
                tag=TAG,
                summary="All schedules",
                handler=self.all,
                response=list[ScheduleDetails],
            ),
            Endpoint(
                method="POST",
                path=ALL,
                tag=TAG,
                summary="Make a schedule",
                handler=self.add,
                response=ScheduleDetails,
                body=NewSchedule,
                refusals=REFUSED,
                status=201,
            ),
            Endpoint(
                method="GET",
                path=ONE,
                tag=TAG,
                summary="One schedule",
                handler=self.one,
                response=ScheduleDetails,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="PUT",
                path=ONE,
                tag=TAG,
                summary="Replace all values of a schedule",
                handler=self.change,
                response=ScheduleDetails,
                body=NewSchedule,
                refusals=REFUSED,
                description="The session that it sends to stays the same.",
            ),
            Endpoint(
                method="DELETE",
                path=ONE,
                tag=TAG,
                summary="Delete a schedule",
                handler=self.delete,
                response=str,
                refusals=UNKNOWN,
                description="What it has started goes on.",
            ),
            Endpoint(
                method="PUT",
                path=f"{ONE}/paused",
                tag=TAG,
                summary="Pause a schedule, or go on with it",
                handler=self.pause,
                response=ScheduleDetails,
                body=SchedulePause,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="GET",
                path=f"{ONE}/runs",
                tag=TAG,
                summary="What has come of its last due times, the newest first",
                handler=self.runs,
                response=list[ScheduledRun],
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/runs",
                tag=TAG,
                summary="Start a schedule now",
                handler=self.start,
                response=StartedSchedule,
                body=ScheduleStart,
                refusals=UNKNOWN,
                status=202,
            ),
        )

    def all(self) -> list[ScheduleDetails]:
        return [self._details(each) for each in self._schedules.store.all()]

    def one(self, schedule_id: str) -> ScheduleDetails:
        return self._details(self._schedules.store.get(schedule_id))

    def add(self, body: NewSchedule) -> ScheduleDetails:
        wanted = self._wanted(body, body.session_id, body.agent_id)
        return self._details(self._schedules.add(wanted, by=current_identity()))

    def change(self, schedule_id: str, body: NewSchedule) -> ScheduleDetails:
        before = self._schedules.store.get(schedule_id)
        wanted = self._wanted(body, before.work.session_id, before.work.agent_id)
        return self._details(self._schedules.change(schedule_id, wanted, by=current_identity()))

    def delete(self, schedule_id: str) -> str:
        found = self._schedules.delete(schedule_id, by=current_identity())
        return f"“{found.title}” is deleted."

    def pause(self, schedule_id: str, body: SchedulePause) -> ScheduleDetails:
        by = current_identity()
        return self._details(self._schedules.pause(schedule_id, body.paused, by=by))

    def runs(self, schedule_id: str) -> list[ScheduledRun]:
        self._schedules.store.get(schedule_id)
        progress = self._schedules.store.progress(schedule_id)
        return [_run(each) for each in reversed(progress.occurrences)]

    def start(self, schedule_id: str, body: ScheduleStart) -> StartedSchedule:
        session_id = self._schedules.run_now(schedule_id, by=current_identity())
        return StartedSchedule(session_id=session_id)

    def _details(self, schedule: Schedule) -> ScheduleDetails:
        work, timing = schedule.work, schedule.timing
        zone = zones.zone(timing.zone)
        handled = self._schedules.store.progress(schedule.id).handled
        due = timing.next(max(handled, time.time() - 1))
        return ScheduleDetails(
            id=schedule.id,
            name=schedule.name,
            prompt=work.prompt,
            project_path=work.folder,
            session_id=work.session_id,
            agent_id=work.agent_id,
            in_worktree=work.in_worktree,
            timing=ScheduleTiming(
                kind=timing.kind,
                zone=timing.zone,
                at=timing.at,
                every=timing.every or 1,
                unit=timing.unit,
                cron=timing.expression,
            ),
            words=timing.words(),
            next=[datetime.fromtimestamp(each, zone).isoformat() for each in due],
            model=work.model,
            effort=work.effort,
            permission_mode=work.permission_mode,
            minutes=schedule.minutes,
            budget_usd=schedule.budget_usd,
            catch_up=schedule.catch_up,
            paused=schedule.paused,
            trust_needed=self._schedules.trust_needed(schedule) is not None,
        )

    def _wanted(self, body: NewSchedule, session_id: str, agent_id: int | None) -> Wanted:
        asked = body.timing
        zone = asked.zone or self._schedules.server_zone
        at = asked.at
        if asked.kind is Kind.EVERY and not at and zone in zones.names():
            at = now_in(zone, time.time())
        return Wanted(
            Work(
                body.project_path,
                body.prompt,
                session_id,
                body.model or None,
                body.effort or None,
                body.permission_mode or None,
                agent_id,
                body.in_worktree,
            ),
            Timing(asked.kind, zone, at, asked.every, asked.unit, asked.cron),
            body.name,
            body.catch_up,
            body.minutes,
            body.budget_usd,
        )


def _run(each: Occurrence) -> ScheduledRun:
    return ScheduledRun(
        due=datetime.fromtimestamp(each.due, UTC).isoformat(),
        state=each.state,
        session_id=each.session_id,
        prompt_id=each.prompt_id,
        run_id=each.run_id,
        sentence=each.sentence,
        cost_usd=each.cost_usd,
        missed=each.missed,
        by_hand=each.by_hand,
    )
