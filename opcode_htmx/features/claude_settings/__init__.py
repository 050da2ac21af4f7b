"""Claude's settings: what is in force and from where, each with a form."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude_settings import routes

    yield routes.blueprint(context.sessions.configuration, context.capabilities)


FEATURE = Feature(
    name="claude_settings", routes=_routes, folders=("/claude/settings", "/claude/proxy")
)
