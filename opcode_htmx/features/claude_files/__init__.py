"""The files that configure Claude, edited as text, with their last versions."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude_files import routes

    yield routes.blueprint(context.sessions.configuration)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude_files.api import FilesApi

    yield from FilesApi(context.sessions.configuration).endpoints()


FEATURE = Feature(
    name="claude_files", routes=_routes, folders=("/claude/files",), endpoints=_endpoints
)
