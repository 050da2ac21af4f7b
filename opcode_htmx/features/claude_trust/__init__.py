"""The projects that are trusted, what each brings, and how trust is taken back."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.claude_trust import routes
from opcode_htmx.features.claude_trust.service import TrustedProjects
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature


def _routes(context: AppContext) -> Iterable[Blueprint]:
    trust, folders = context.runs.project_trust, context.workspace.folders
    reports = context.sessions.configuration.reports
    yield routes.blueprint(TrustedProjects(trust, folders, reports))


FEATURE = Feature(name="claude_trust", routes=_routes)
