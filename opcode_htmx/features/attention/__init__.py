"""The page of all projects' sessions that need attention, of runs, and of orphaned processes."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext, once_a_request
from opcode_htmx.features.feature import Badge, Feature, NavItem
from opcode_htmx.runs.processes.orphans import NoOrphans
from opcode_htmx.sessions.attention import counted


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.attention import routes

    runs, sessions = context.runs, context.sessions
    page = routes.RunsPage(runs, sessions, runs.orphans)
    yield routes.blueprint(page, runs, runs.orphans)


def _attention_count(context: AppContext) -> Badge:
    count = counted(once_a_request(context.sessions.attention.all))
    return Badge(count.shown, count.words, is_quiet=not count.needing)


FEATURE = Feature(
    name="attention",
    routes=_routes,
    nav=(
        NavItem(
            "attention.runs",
            "Running",
            icon="pulse",
            order=20,
            badge=_attention_count,
        ),
    ),
    errors={NoOrphans: 409},
)
