"""Manage a whole session: rename, export, search, begin again, delete."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.features.session_admin import begin_again, routes
from opcode_htmx.runs.supervisor import StillRunning
from opcode_htmx.sessions.lookup import NoHistory


def _routes(context: AppContext) -> Iterable[Blueprint]:
    sessions = context.sessions
    yield routes.blueprint(
        sessions.lookup,
        sessions.views,
        sessions.read_positions,
        sessions.trash,
        sessions.exporter,
    )
    yield begin_again.blueprint(context.runs, sessions.lookup, context.settings.stop_deadline)


FEATURE = Feature(name="session_admin", routes=_routes, errors={StillRunning: 409, NoHistory: 409})
