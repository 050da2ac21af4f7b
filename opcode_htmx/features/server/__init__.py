"""The page of the server: how quickly it answers, and what Claude uses of the machine."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.server import routes
    from opcode_htmx.runs.processes.claude_process import MONITOR

    runs = context.runs
    page = routes.ServerPage(runs, context.sessions.lookup, MONITOR, runs.orphans, context.monitor)
    yield routes.blueprint(page)


FEATURE = Feature(
    name="server",
    routes=_routes,
    folders=("/server",),
    nav=(NavItem("server.page", "Server", icon="chart", order=800),),
)
