"""Everything that configures Claude, in one place: the page that leads to the others."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.secrets import SecretMissing
from opcode_htmx.features.claude import routes
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused
from opcode_htmx.sessions.configuration import acts


def _routes(context: AppContext) -> Iterable[Blueprint]:
    yield routes.blueprint(
        context.sessions.configuration, acts.Acts(context.state.folder(acts.FOLDER))
    )


FEATURE = Feature(
    name="claude",
    routes=_routes,
    nav=(NavItem("claude.page", "Claude", icon="settings", order=500),),
    state=(
        StateFolder(
            acts.FOLDER,
            "what became of installing plugins and the like",
            keep="an hour",
            version=1,
        ),
    ),
    errors={FileChanged: 409, FileRefused: 422, InvalidJson: 422, SecretMissing: 422},
)
