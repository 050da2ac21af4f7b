"""Claude's hooks: listed by event, edited by a form for each kind, checked and tried."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.claude_hooks.errors import HookGone, InvalidHooks
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude_hooks import routes

    yield routes.blueprint(context.sessions.configuration, context.settings.child_environment)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude_hooks.rest.endpoints import HooksApi

    environment = context.settings.child_environment
    yield from HooksApi(context.sessions.configuration, environment).endpoints()


FEATURE = Feature(
    name="claude_hooks",
    routes=_routes,
    folders=("/claude/hooks",),
    endpoints=_endpoints,
    errors={HookGone: 404, InvalidHooks: 422},
)
