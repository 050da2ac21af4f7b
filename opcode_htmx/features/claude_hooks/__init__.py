"""Claude's hooks: listed by event, edited by a form for each kind, checked and tried."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.claude_hooks import routes
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature


def _routes(context: AppContext) -> Iterable[Blueprint]:
    yield routes.blueprint(context.sessions.configuration, context.settings.child_environment)


FEATURE = Feature(name="claude_hooks", routes=_routes)
