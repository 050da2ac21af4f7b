"""The log of the server: a page that shows, filters and follows it, and the same for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.config.log_settings import LogSettings
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.features.logs.service import LogUnavailable
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.lib.files.state_folders import Backup, StateFolder
from opcode_htmx.lib.logs import log_files, set_up
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.logs.service import LogReader


COLLECT_SECONDS = 6 * 3600.0
"""How often old files are removed where nothing is logged that would do so."""

FOLDER = StateFolder(
    log_files.FOLDER,
    "the log of the server, a JSON object a line; the lock is held while a file is closed",
    "OPCODE_LOG_KEEP, OPCODE_LOG_SIZE",
    backup=Backup.NEVER,
)


def _reader(context: AppContext) -> LogReader:
    from opcode_htmx.features.logs.service import LogReader

    is_on = context.settings.of(LogSettings).file
    return LogReader(context.state.folder(FOLDER.name) if is_on else None)


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.logs import routes

    yield routes.blueprint(_reader(context))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.logs import api

    return api.endpoints(_reader(context))


def _collect() -> None:
    if files := set_up.files():
        files.collect()


def _jobs(context: AppContext) -> Iterable[Job]:
    yield every(COLLECT_SECONDS, "remove old files of the log", _collect)


FEATURE = Feature(
    name="logs",
    routes=_routes,
    folders=("/logs",),
    nav=(NavItem("logs.page", "Log", icon="list", order=805),),
    errors={LogUnavailable: 404},
    settings=LogSettings,
    state=(FOLDER,),
    endpoints=_endpoints,
    jobs=_jobs,
)
