"""Answers to Claude's permission requests and questions, and Stop."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.runs.control.run import AlreadyAnswered, UnfitAnswer
from opcode_htmx.runs.elicitation.values import InvalidContent
from opcode_htmx.runs.model.permission_updates import BypassNotAllowed


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.permissions import routes

    yield routes.blueprint(context.runs, context.sessions.lookup)


FEATURE = Feature(
    name="permissions",
    routes=_routes,
    errors={AlreadyAnswered: 409, BypassNotAllowed: 403, InvalidContent: 422, UnfitAnswer: 422},
)
