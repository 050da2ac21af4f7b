"""The memory of Claude: CLAUDE.md, imports, rules, and what Claude has noted by itself."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.sessions.configuration.memory import RuleExists
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude_memory import routes

    yield routes.blueprint(context.sessions.configuration)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude_memory.api import MemoryApi

    yield from MemoryApi(context.sessions.configuration).endpoints()


FEATURE = Feature(
    name="claude_memory",
    routes=_routes,
    folders=("/claude/memory", "/claude/rules"),
    endpoints=_endpoints,
    errors={RuleExists: 409},
)
