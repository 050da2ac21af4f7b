"""The files that configure Claude, edited as text, with their last versions."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.claude_files import routes
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature


def _routes(context: AppContext) -> Iterable[Blueprint]:
    yield routes.blueprint(context.sessions.configuration)


FEATURE = Feature(name="claude_files", routes=_routes)
