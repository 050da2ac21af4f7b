"""How the pages look to a person: theme, density, size of text; and the keyboard shortcuts."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.appearance import service
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib.files.state_folders import StateFolder


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.appearance import routes
    from opcode_htmx.features.appearance.service import AppearanceStore

    yield routes.blueprint(AppearanceStore(context.state.folder(service.FILE)))


FEATURE = Feature(
    name="appearance",
    routes=_routes,
    nav=(NavItem("appearance.page", "Appearance", icon="contrast", order=890),),
    state=(
        StateFolder(
            service.FILE,
            "theme, density, size of text, reach and keyboard shortcuts of each user",
            version=service.VERSION,
        ),
    ),
)
