"""The page for deciding whether to trust a project whose files would run something."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.engines.trust import TrustNotRecorded
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.project_trust import routes

    sessions = context.sessions
    yield routes.blueprint(
        context.workspace, context.runs, sessions.lookup, sessions.drafts, sessions.worktrees
    )


FEATURE = Feature(name="project_trust", routes=_routes, errors={TrustNotRecorded: 503})
