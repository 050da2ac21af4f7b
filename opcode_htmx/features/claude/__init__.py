"""Everything that configures Claude, in one place: the page that leads to the others."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.secrets import SecretMissing
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused
from opcode_htmx.sessions.configuration import acts
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude import routes

    yield routes.blueprint(context.sessions.configuration, _acts(context))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude.api import ActsApi

    yield from ActsApi(_acts(context)).endpoints()


def _acts(context: AppContext) -> acts.Acts:
    return acts.Acts(context.state.folder(acts.FOLDER))


FEATURE = Feature(
    name="claude",
    routes=_routes,
    endpoints=_endpoints,
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
