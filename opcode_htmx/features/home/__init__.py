"""The start page: what needs the person, what is at work, and the sessions used last."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.home import routes
    from opcode_htmx.features.home.service import Home
    from opcode_htmx.sessions.run_rows import RunRows

    sessions = context.sessions
    home = Home(
        context.workspace,
        context.runs,
        sessions.attention,
        RunRows(sessions.lookup, sessions.budgets),
        sessions.flags,
        sessions.index,
        sessions.read_positions,
    )
    yield routes.blueprint(home, sessions.trash, sessions.drafts)


FEATURE = Feature(
    name="home",
    routes=_routes,
    nav=(NavItem("home.page", "Home", icon="home", order=10),),
)
