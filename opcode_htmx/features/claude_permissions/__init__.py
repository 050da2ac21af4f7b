"""Claude's permission rules: what each means, where it stands, and what it would decide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.engines.claude.permissions.rules import InvalidRule
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.claude_permissions.lately import LatelyMatched
    from opcode_htmx.features.claude_permissions.service import PermissionEditor


def _services(context: AppContext) -> tuple[PermissionEditor, LatelyMatched]:
    from opcode_htmx.features.claude_permissions.lately import LatelyMatched
    from opcode_htmx.features.claude_permissions.service import PermissionEditor

    sessions, home = context.sessions, context.settings.home
    return PermissionEditor(sessions.configuration, home), LatelyMatched(sessions.index, home)


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude_permissions import routes

    yield routes.blueprint(*_services(context))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude_permissions.api import PermissionsApi

    yield from PermissionsApi(*_services(context)).endpoints()


FEATURE = Feature(
    name="claude_permissions",
    routes=_routes,
    folders=("/claude/permissions",),
    endpoints=_endpoints,
    errors={InvalidRule: 422},
)
