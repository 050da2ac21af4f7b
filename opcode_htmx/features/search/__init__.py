"""Search in all sessions, and the index that it stands on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.config import log_settings
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib.concurrency.jobs import Job
from opcode_htmx.lib.metrics.families import Reading
from opcode_htmx.sessions.index import lag
from opcode_htmx.sessions.index.settings import SearchSettings

if TYPE_CHECKING:
    from opcode_htmx.sessions.index.lag import IndexLag


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.search import routes
    from opcode_htmx.features.search.page import SearchPage

    is_on = context.settings.of(SearchSettings).index
    index = context.sessions.index
    yield routes.blueprint(SearchPage(index if is_on else None), context.sessions.lookup)


def _jobs(context: AppContext) -> Iterable[Job]:
    from opcode_htmx.sessions.index.service import IndexProcess

    if context.settings.of(SearchSettings).index:
        folder, log_options = context.state.folder("index"), log_settings.options(context.settings)
        yield IndexProcess(folder, context.workspace.config_dir, log_options).job()


def _lag(context: AppContext) -> IndexLag:
    from opcode_htmx.sessions.index.lag import IndexLag

    return IndexLag(context.sessions.index, context.workspace.config_dir)


def _measure(context: AppContext) -> Iterable[Reading]:
    if context.settings.of(SearchSettings).index:
        yield from context.once(_lag).measure()


FEATURE = Feature(
    name="search",
    routes=_routes,
    nav=(NavItem("search.page", "Search", icon="search", order=200),),
    settings=SearchSettings,
    jobs=_jobs,
    metrics=lag.FAMILIES,
    measure=_measure,
)
