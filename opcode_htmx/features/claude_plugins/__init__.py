"""Claude's plugins and their marketplaces: what is installed, what can be, and what each brings."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.claude_plugins import marketplace_routes, routes
from opcode_htmx.features.claude_plugins.cli import PluginCli
from opcode_htmx.features.claude_plugins.service import Plugins
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.sessions.configuration import acts


def _routes(context: AppContext) -> Iterable[Blueprint]:
    cli = PluginCli(context.engine.launcher, context.state.folder("offers") / "nowhere")
    plugins = Plugins(
        context.sessions.configuration,
        cli,
        acts.Acts(context.state.folder(acts.FOLDER)),
        context.runs,
    )
    pages = routes.blueprint(plugins)
    marketplace_routes.add_to(pages, plugins)
    yield pages


FEATURE = Feature(name="claude_plugins", routes=_routes)
