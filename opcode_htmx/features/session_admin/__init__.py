"""Manage whole sessions: rename, pin, archive, tag, export, search, begin again, delete."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.runs.events.types import PromptSubmitted
from opcode_htmx.runs.supervisor import StillRunning
from opcode_htmx.sessions.lookup import NoHistory
from opcode_htmx.sessions.storage.session_tags import BadTag


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.session_admin import begin_again, flags, routes, selected

    sessions = context.sessions
    yield routes.blueprint(
        sessions.lookup,
        sessions.views,
        sessions.read_positions,
        sessions.trash,
        sessions.exporter,
    )
    yield begin_again.blueprint(context.runs, sessions.lookup, context.settings.stop_deadline)
    yield flags.blueprint(
        context.workspace.config_dir, sessions.lookup, sessions.flags, sessions.read_positions
    )
    yield selected.blueprint(
        sessions.lookup,
        sessions.views,
        sessions.flags,
        sessions.read_positions,
        sessions.trash,
        context.runs,
    )


def _prompt_submitted(context: AppContext, event: PromptSubmitted) -> None:
    from opcode_htmx.features.session_admin import flags

    flags.take_out_of_archive(context.sessions.flags, event.session_id)


FEATURE = Feature(
    name="session_admin",
    routes=_routes,
    errors={StillRunning: 409, NoHistory: 409, BadTag: 422},
    on={PromptSubmitted: _prompt_submitted},
)
