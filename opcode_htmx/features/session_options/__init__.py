"""The options of a session: model, effort, permission mode, and running on without a viewer."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.runs.control.control_requests import ControlRefused


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.session_options import routes

    yield routes.blueprint(context.runs.options, context.sessions.lookup)


FEATURE = Feature(name="session_options", routes=_routes, errors={ControlRefused: 409})
