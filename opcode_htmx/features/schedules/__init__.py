"""Schedules: prompts that start by themselves, and those of a session that are sent later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.features.schedules.service import InvalidSchedule, ScheduleChanged
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.runs.events.types import TurnEnded
from opcode_htmx.sessions.schedules.agents import NoAgents
from opcode_htmx.sessions.schedules.store import NoSuchSchedule, TooManySchedules
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.schedules.service import Schedules


def _schedules(context: AppContext) -> Schedules:
    from opcode_htmx.features.schedules.service import Schedules
    from opcode_htmx.sessions.schedules import zones

    sessions = context.sessions
    zone = zones.of_server(context.settings.child_environment.get("TZ", ""))
    return Schedules(
        sessions.schedules,
        context.runs,
        sessions.locations,
        context.workspace,
        sessions.scheduled_agents,
        zone,
        sessions.worktrees,
    )


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.schedules import from_session, routes

    sessions, schedules = context.sessions, _schedules(context)
    yield routes.blueprint(schedules, sessions.options)
    yield from_session.blueprint(schedules, sessions.lookup, sessions.drafts)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.schedules import api

    return api.SchedulesApi(_schedules(context)).endpoints()


def _jobs(context: AppContext) -> Iterable[Job]:
    from opcode_htmx.sessions.schedules.runner import ROUND_SECONDS, ScheduleRunner, Services

    sessions = context.sessions
    services = Services(
        context.runs,
        sessions.submitter,
        sessions.locations,
        context.workspace,
        context.runs.budgets,
        sessions.scheduled_agents,
        context.refusals,
    )
    runner = ScheduleRunner(sessions.schedules, services)
    yield every(ROUND_SECONDS, "start schedules", runner.round, at_end=runner.stop)


def _note_turn(context: AppContext, event: TurnEnded) -> None:
    from opcode_htmx.sessions.schedules.starts import note_turn

    note_turn(context.sessions.schedules, event)


FEATURE = Feature(
    name="schedules",
    routes=_routes,
    nav=(NavItem("schedules.page", "Schedules", icon="clock", order=300),),
    errors={
        NoSuchSchedule: 404,
        InvalidSchedule: 422,
        NoAgents: 422,
        TooManySchedules: 409,
        ScheduleChanged: 409,
    },
    endpoints=_endpoints,
    on={TurnEnded: _note_turn},
    jobs=_jobs,
)
