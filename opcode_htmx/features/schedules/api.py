"""/api/schedules: list, make, change, pause, start and delete schedules, and their outcomes."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from opcode_htmx.features.schedules import schema
from opcode_htmx.features.schedules.service import Schedules, Wanted
from opcode_htmx.sessions.schedules import zones
from opcode_htmx.sessions.schedules.model import Occurrence, Schedule, Work
from opcode_htmx.sessions.schedules.timing import Kind, Timing, now_in
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.refusals import NO_BYPASS

TAG = "Schedules"
ALL, ONE = "/api/schedules", "/api/schedules/{schedule_id}"
UNKNOWN = {404: "There is no such schedule or session."}
REFUSED = {
    **UNKNOWN,
    403: NO_BYPASS,
    409: "There are too many schedules.",
}


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
                response=list[schema.ScheduleDetails],
            ),
            Endpoint(
                method="POST",
                path=ALL,
                tag=TAG,
                summary="Make a schedule",
                handler=self.add,
                response=schema.ScheduleDetails,
                body=schema.NewSchedule,
                refusals=REFUSED,
                status=201,
            ),
            Endpoint(
                method="GET",
                path=ONE,
                tag=TAG,
                summary="One schedule",
                handler=self.one,
                response=schema.ScheduleDetails,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="PUT",
                path=ONE,
                tag=TAG,
                summary="Replace all values of a schedule",
                handler=self.change,
                response=schema.ScheduleDetails,
                body=schema.NewSchedule,
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
                response=schema.ScheduleDetails,
                body=schema.SchedulePause,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="GET",
                path=f"{ONE}/runs",
                tag=TAG,
                summary="What has come of its last due times, the newest first",
                handler=self.runs,
                response=list[schema.ScheduledRun],
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/runs",
                tag=TAG,
                summary="Start a schedule now",
                handler=self.start,
                response=schema.StartedSchedule,
                body=schema.ScheduleStart,
                refusals=UNKNOWN,
                status=202,
            ),
        )

    def all(self) -> list[schema.ScheduleDetails]:
        return [self._details(each) for each in self._schedules.store.all()]

    def one(self, schedule_id: str) -> schema.ScheduleDetails:
        return self._details(self._schedules.store.get(schedule_id))

    def add(self, body: schema.NewSchedule) -> schema.ScheduleDetails:
        wanted = self._wanted(body, body.session_id, body.agent_id)
        return self._details(self._schedules.add(wanted, by=current_identity()))

    def change(self, schedule_id: str, body: schema.NewSchedule) -> schema.ScheduleDetails:
        before = self._schedules.store.get(schedule_id)
        wanted = self._wanted(body, before.work.session_id, before.work.agent_id)
        return self._details(self._schedules.change(schedule_id, wanted, by=current_identity()))

    def delete(self, schedule_id: str) -> str:
        found = self._schedules.delete(schedule_id, by=current_identity())
        return f"“{found.title}” is deleted."

    def pause(self, schedule_id: str, body: schema.SchedulePause) -> schema.ScheduleDetails:
        by = current_identity()
        return self._details(self._schedules.pause(schedule_id, body.paused, by=by))

    def runs(self, schedule_id: str) -> list[schema.ScheduledRun]:
        self._schedules.store.get(schedule_id)
        progress = self._schedules.store.progress(schedule_id)
        return [_run(each) for each in reversed(progress.occurrences)]

    def start(self, schedule_id: str, body: schema.ScheduleStart) -> schema.StartedSchedule:
        session_id = self._schedules.run_now(schedule_id, by=current_identity())
        return schema.StartedSchedule(session_id=session_id)

    def _details(self, schedule: Schedule) -> schema.ScheduleDetails:
        work, timing = schedule.work, schedule.timing
        zone = zones.zone(timing.zone)
        handled = self._schedules.store.progress(schedule.id).handled
        due = timing.next(max(handled, time.time() - 1))
        return schema.ScheduleDetails(
            id=schedule.id,
            name=schedule.name,
            prompt=work.prompt,
            project_path=work.folder,
            session_id=work.session_id,
            agent_id=work.agent_id,
            in_worktree=work.in_worktree,
            timing=schema.ScheduleTiming(
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

    def _wanted(self, body: schema.NewSchedule, session_id: str, agent_id: int | None) -> Wanted:
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


def _run(each: Occurrence) -> schema.ScheduledRun:
    return schema.ScheduledRun(
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
