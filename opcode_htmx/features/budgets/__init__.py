"""Budgets: what runs may cost, what they have cost today, and the decision when one is used."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.features.budgets.service import InvalidBudget
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.runs.budgets.book import BudgetReached
from opcode_htmx.runs.events.types import TurnEnded
from opcode_htmx.sessions.terminals.settings import TerminalSettings
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from pathlib import Path

    from opcode_htmx.engines.base import Engine
    from opcode_htmx.features.budgets.service import GoOn
    from opcode_htmx.features.budgets.terminals import TerminalCosts
    from opcode_htmx.runs.budgets.monitor import BudgetMonitor
    from opcode_htmx.runs.control.run import Run
    from opcode_htmx.runs.supervisor import Supervisor

log = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""How long a process may take to say what its session has cost."""
TERMINAL_SECONDS = 3.0
"""How often to look at the terminals."""


def _monitor(context: AppContext) -> BudgetMonitor:
    from opcode_htmx.runs.budgets.monitor import BudgetMonitor
    from opcode_htmx.sessions.schedules.starts import budget_of

    runs = context.runs
    other = partial(budget_of, context.sessions.schedules, runs.budgets)
    schedules = context.sessions.schedules

    def version() -> object:
        parts = runs.budgets.version, schedules.version_with_progress
        return None if None in parts else parts

    find, before = partial(_find, runs), partial(_cost_before, context.engine)
    begun_at = partial(_begun_at, context.engine)
    return BudgetMonitor(runs.budgets, runs.live, find, _cost_of, before, other, version, begun_at)


def _find(runs: Supervisor, run_id: str) -> Run | None:
    from opcode_htmx.runs.supervisor import RunNotFound

    try:
        return runs.get(run_id)
    except RunNotFound:
        return None


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


def _cost_before(engine: Engine, run: Run) -> float | None:
    """What the files of a session say that it had cost when a run resumed it; None if they do not.

    It reads them in a thread, from the end.
    """
    from opcode_htmx.lib.concurrency.cooperative import run_in_thread
    from opcode_htmx.transcript.conversation import history_scan

    path = engine.history.file(run.record.session_id)
    if path is None:
        return None
    try:
        return run_in_thread(history_scan.cost_before, path, run.record.history_start)
    except OSError as error:
        log.warning("could not read what session %s had cost: %s", run.record.session_id, error)
        return None


def _begun_at(engine: Engine, session_id: str) -> float | None:
    """When a session began, a Unix time, as its file says, which is read in a thread."""
    from opcode_htmx.engines.claude.files.session_summary import summarize
    from opcode_htmx.lib.concurrency.cooperative import run_in_thread

    path = engine.history.file(session_id)
    if path is None:
        return None
    try:
        status = path.stat()
        return run_in_thread(summarize, path, status.st_size, status.st_mtime_ns).started_at
    except OSError as error:
        log.warning("could not read when session %s began: %s", session_id, error)
        return None


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.budgets import routes

    has_terminals = context.settings.of(TerminalSettings).on
    yield routes.blueprint(context.runs.budgets, _go_on(context), has_terminals=has_terminals)


def _go_on(context: AppContext) -> GoOn:
    from opcode_htmx.features.budgets.service import GoOn

    sessions = context.sessions
    return GoOn(context.runs, sessions.submitter, sessions.locations)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.budgets import api

    return api.endpoints(context.runs.budgets, partial(_go_on, context))


def _jobs(context: AppContext) -> Iterable[Job]:
    monitor = _monitor(context)
    watch = partial(context.runs.rounds.add, "watch budgets", monitor.seconds, monitor.round)
    yield Job("watch budgets", watch, lambda: None)
    if context.settings.of(TerminalSettings).on:

        def count() -> None:
            context.once(_terminal_costs).round()

        yield every(TERMINAL_SECONDS, "count the cost of terminals", count)


def _terminal_costs(context: AppContext) -> TerminalCosts:
    from opcode_htmx.engines.claude.files.lists.cleared import begun_by_clear
    from opcode_htmx.engines.claude.files.process_registry import live_sessions
    from opcode_htmx.features.budgets.terminals import TerminalCosts
    from opcode_htmx.lib.concurrency.cooperative import run_in_thread
    from opcode_htmx.sessions.terminals.services import services
    from opcode_htmx.transcript.conversation import history_scan

    def cost_in(path: Path, begin: int, end: int) -> float:
        return run_in_thread(history_scan.cost_between, path, begin, end)

    def cleared(folder: Path, before: Collection[str], since: float) -> list[str]:
        return run_in_thread(begun_by_clear, context.workspace.config_dir, folder, before, since)

    return TerminalCosts(
        context.runs.budgets,
        context.once(services).terminals.all,
        partial(live_sessions, context.workspace.config_dir),
        context.engine.history,
        cost_in,
        cleared,
    )


def _turn_ended(context: AppContext, event: TurnEnded) -> None:
    _monitor(context).turn_ended(event)


FEATURE = Feature(
    name="budgets",
    routes=_routes,
    folders=("/budgets",),
    nav=(NavItem("budgets.page", "Budgets", icon="shield", order=310),),
    errors={BudgetReached: 409, InvalidBudget: 422},
    endpoints=_endpoints,
    on={TurnEnded: _turn_ended},
    jobs=_jobs,
)
