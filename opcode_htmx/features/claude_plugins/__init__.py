"""Claude's plugins and their marketplaces: what is installed, what can be, and what each brings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.features.claude_plugins.errors import InvalidPlugin, PluginChanged, UnknownPlugin
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.claude_plugins.service import Plugins


def _plugins(context: AppContext) -> Plugins:
    from opcode_htmx.features.claude_plugins.cli import PluginCli
    from opcode_htmx.features.claude_plugins.service import Plugins
    from opcode_htmx.sessions.configuration import acts

    cli = PluginCli(context.engine.launcher, context.state.folder("offers") / "nowhere")
    return Plugins(
        context.sessions.configuration,
        cli,
        acts.Acts(context.state.folder(acts.FOLDER)),
        context.runs,
    )


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude_plugins import marketplace_routes, routes

    plugins = _plugins(context)
    pages = routes.blueprint(plugins)
    marketplace_routes.add_to(pages, plugins)
    yield pages


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude_plugins.api import PluginsApi
    from opcode_htmx.features.claude_plugins.marketplace_api import MarketplacesApi

    plugins = _plugins(context)
    yield from PluginsApi(plugins).endpoints()
    yield from MarketplacesApi(plugins).endpoints()


FEATURE = Feature(
    name="claude_plugins",
    routes=_routes,
    folders=("/claude/plugins",),
    endpoints=_endpoints,
    errors={InvalidPlugin: 422, UnknownPlugin: 404, PluginChanged: 409},
)
