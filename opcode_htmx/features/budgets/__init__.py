"""Budgets: what runs may cost, what they have cost today, and the decision when one is used."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.features.budgets.service import InvalidBudget
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib.concurrency.jobs import Job
from opcode_htmx.runs.events.types import TurnEnded
from opcode_htmx.runs.policies.budget_book import BudgetReached
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.runs.control.run import Run
    from opcode_htmx.runs.policies.budget_monitor import BudgetMonitor


ANSWER_SECONDS = 5.0
"""How long a process may take to say what its session has cost."""


def _monitor(context: AppContext) -> BudgetMonitor:
    from opcode_htmx.runs.policies.budget_monitor import BudgetMonitor
    from opcode_htmx.sessions.schedules.runner import budget_of

    runs = context.runs
    other = partial(budget_of, context.sessions.schedules, runs.budgets)
    schedules = context.sessions.schedules

    def version() -> object:
        parts = runs.budgets.version, schedules.version_with_progress
        return None if None in parts else parts

    return BudgetMonitor(runs.budgets, runs.live, _cost_of, other, version)


def _cost_of(run: Run) -> float | None:
    from opcode_htmx.engines.claude.config import queries
    from opcode_htmx.runs.control import control_requests
    from opcode_htmx.runs.control.control_requests import ControlRefused
    from opcode_htmx.runs.control.run import RunNotLive

    try:
        answer = control_requests.ask(run, queries.COST, ANSWER_SECONDS)
    except (ControlRefused, RunNotLive):
        return None
    return queries.cost_in(answer)


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.budgets import routes
    from opcode_htmx.features.budgets.service import GoOn

    sessions = context.sessions
    go_on = GoOn(context.runs, sessions.submitter, sessions.locations)
    yield routes.blueprint(context.runs.budgets, go_on)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.budgets import api

    return api.endpoints(context.runs.budgets)


def _jobs(context: AppContext) -> Iterable[Job]:
    monitor = _monitor(context)
    watch = partial(context.runs.rounds.add, "watch budgets", monitor.seconds, monitor.round)
    yield Job("watch budgets", watch, lambda: None)


def _turn_ended(context: AppContext, event: TurnEnded) -> None:
    _monitor(context).turn_ended(event)


FEATURE = Feature(
    name="budgets",
    routes=_routes,
    nav=(NavItem("budgets.page", "Budgets", icon="shield", order=310),),
    errors={BudgetReached: 409, InvalidBudget: 422},
    endpoints=_endpoints,
    on={TurnEnded: _turn_ended},
    jobs=_jobs,
)
