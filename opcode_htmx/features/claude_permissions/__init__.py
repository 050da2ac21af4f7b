"""Claude's permission rules: what each means, where it stands, and what it would decide."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.engines.claude.permissions.rules import InvalidRule
from opcode_htmx.features.claude_permissions import routes
from opcode_htmx.features.claude_permissions.lately import LatelyMatched
from opcode_htmx.features.claude_permissions.service import PermissionEditor
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature


def _routes(context: AppContext) -> Iterable[Blueprint]:
    sessions, home = context.sessions, context.settings.home
    editor = PermissionEditor(sessions.configuration, home)
    yield routes.blueprint(editor, LatelyMatched(sessions.index, home))


FEATURE = Feature(name="claude_permissions", routes=_routes, errors={InvalidRule: 422})
