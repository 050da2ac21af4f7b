"""The storage page: what takes space, and moving old sessions to the trash after a dry run."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib.concurrency.background import StillCounting


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.storage import routes
    from opcode_htmx.features.storage.clean_up import CleanUp
    from opcode_htmx.features.storage.still_needed import StillNeeded

    sessions, config_dir = context.sessions, context.workspace.config_dir
    needed = StillNeeded(
        config_dir, context.state, context.runs, sessions.attention, sessions.flags, sessions.drafts
    )
    clean_up = CleanUp(config_dir, context.state.folder("trash"), needed, sessions.trash)
    yield routes.blueprint(sessions.surveyor, clean_up, sessions.trash, sessions.views)


FEATURE = Feature(
    name="storage",
    routes=_routes,
    folders=("/storage",),
    nav=(NavItem("storage.page", "Storage", icon="storage", order=810),),
    errors={StillCounting: 503},
)
