"""The memory of Claude: CLAUDE.md, imports, rules, and what Claude has noted by itself."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.claude_memory import routes
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature


def _routes(context: AppContext) -> Iterable[Blueprint]:
    yield routes.blueprint(context.sessions.configuration)


FEATURE = Feature(name="claude_memory", routes=_routes)
