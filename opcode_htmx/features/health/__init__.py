"""Whether all is well: `/readyz` for machines, and the self-check for the owner."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint, Flask

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.features.health.self_check import VERSION
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.health.self_check import SelfCheck


REPORT = StateFolder(
    "health.json", "the results of the last self-check", "until the next one", VERSION
)


def _self_check(context: AppContext) -> SelfCheck:
    from opcode_htmx.features.health.self_check import SelfCheck
    from opcode_htmx.sessions.health import checks

    path = context.state.folder(REPORT.name)
    return SelfCheck(path, partial(checks.of, context.settings))


def _at_start(context: AppContext, app: Flask) -> None:
    """`/readyz` answers with the cause where pages cannot be loaded, too."""
    from opcode_htmx.features.health import readiness

    ready = readiness.Readiness(context.jobs, context.state.path, context.claude_path)
    app.register_blueprint(readiness.blueprint(ready))


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.health import routes

    yield routes.blueprint(context.once(_self_check), context.settings, context.state)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.health import api

    yield from api.endpoints(context.once(_self_check))


FEATURE = Feature(
    name="health",
    routes=_routes,
    nav=(NavItem("self_check.page", "Health", icon="heart", order=802),),
    state=(REPORT,),
    endpoints=_endpoints,
    at_start=_at_start,
)
"""The checks themselves are in sessions/health: the command line makes them without a server."""
