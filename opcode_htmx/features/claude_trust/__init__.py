"""The projects that are trusted, what each brings, and how trust is taken back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.claude_trust.service import TrustedProjects


def _trusted(context: AppContext) -> TrustedProjects:
    from opcode_htmx.features.claude_trust.service import TrustedProjects

    trust, folders = context.runs.project_trust, context.workspace.folders
    reports = context.sessions.configuration.reports
    return TrustedProjects(trust, folders, reports)


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude_trust import routes

    yield routes.blueprint(_trusted(context))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude_trust.api import TrustApi

    yield from TrustApi(_trusted(context)).endpoints()


FEATURE = Feature(
    name="claude_trust", routes=_routes, folders=("/claude/trust",), endpoints=_endpoints
)
