"""Whether all is well: `/readyz` for machines."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.features.health import routes
from opcode_htmx.features.health.readiness import Readiness


def _routes(context: AppContext) -> Iterable[Blueprint]:
    readiness = Readiness(context.jobs, context.state.path, context.claude_path)
    yield routes.blueprint(readiness)


FEATURE = Feature(name="health", routes=_routes)
