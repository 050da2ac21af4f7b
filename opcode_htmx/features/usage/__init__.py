"""What Claude has cost, by day, project, model, session and agent; and what is left of the plan."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint, url_for

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem, PageLink
from opcode_htmx.features.usage import limits
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.runs.events.types import TurnEnded
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.engines.plan_limits import LimitWindow
    from opcode_htmx.features.usage.limits import PlanLimits
    from opcode_htmx.features.usage.page import UsagePage
    from opcode_htmx.runs.control.run import Run


log = logging.getLogger(__name__)

ASK_SECONDS = 60.0
"""The least time between two requests for the limits."""


def _page(context: AppContext) -> UsagePage:
    from opcode_htmx.features.usage.page import UsagePage
    from opcode_htmx.sessions.index.settings import SearchSettings

    is_on = context.settings.of(SearchSettings).index
    return UsagePage(context.sessions.index if is_on else None)


def _limits(context: AppContext) -> PlanLimits:
    from opcode_htmx.features.usage.limits import PlanLimits

    return PlanLimits(context.state.folder(limits.FILE))


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.usage import routes

    yield routes.blueprint(_page(context), _limits(context))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.usage import api

    return api.endpoints(_page(context), _limits(context))


def _note_turn(context: AppContext, event: TurnEnded) -> None:
    """Keep what Claude says of the session's cost and of the plan's limits."""
    from opcode_htmx.runs.supervisor import RunNotFound

    known = _limits(context)
    try:
        run = context.runs.get(event.run_id)
    except RunNotFound:  # it was removed meanwhile
        run = None
    windows, was_asked = tuple(run.state.limits.values()) if run else (), False
    # Only a plan has limits to report: the process of any other account is asked for nothing
    if run and windows and time.time() - known.asked_at >= ASK_SECONDS:
        windows, was_asked = (*windows, *_asked(run)), True
    cost = event.usage.session_cost_usd
    if windows or cost is not None:
        known.report(
            windows,
            at=time.time(),
            session_id=event.session_id,
            cost_usd=cost,
            was_asked=was_asked,
        )


def _asked(run: Run) -> Iterable[LimitWindow]:
    from opcode_htmx.runs.control import control_requests
    from opcode_htmx.runs.control.control_requests import ControlRefused
    from opcode_htmx.runs.control.run import RunNotLive

    try:
        return control_requests.plan_limits(run)
    except (ControlRefused, RunNotLive) as error:
        log.info("Claude does not say what is left of the plan: %s", error)
        return ()


def _of_session(context: AppContext, project_id: str, session_id: str) -> str:
    return url_for("usage.page", session=f"{project_id}/{session_id}")


def _of_project(context: AppContext, project_id: str, folder: str) -> str:
    return url_for("usage.page", project=folder)


FEATURE = Feature(
    name="usage",
    routes=_routes,
    nav=(NavItem("usage.page", "Usage", icon="receipt", order=300),),
    session_links=(PageLink("Usage", 400, _of_session),),
    project_links=(PageLink("Usage", 400, _of_project),),
    state=(
        StateFolder(
            limits.FILE,
            "the limits of the plan, and the costs of 500 sessions, as Claude has said them last",
            "until Claude says others",
            limits.VERSION,
        ),
    ),
    endpoints=_endpoints,
    on={TurnEnded: _note_turn},
)
