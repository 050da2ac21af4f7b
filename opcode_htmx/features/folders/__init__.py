"""Choose a folder by tapping: recent projects, and a browser of the project roots."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.folders import routes
    from opcode_htmx.features.folders.picker import FolderPicker

    yield routes.blueprint(FolderPicker(context.workspace))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.folders import api
    from opcode_htmx.features.folders.picker import FolderPicker

    return api.endpoints(FolderPicker(context.workspace))


FEATURE = Feature(name="folders", routes=_routes, endpoints=_endpoints)
