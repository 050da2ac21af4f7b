"""Backups of the state folder, made and downloaded on a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.features.backups.service import BackupRefused
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.lib.files.state_folders import Backup, StateFolder

if TYPE_CHECKING:
    from opcode_htmx.features.backups.service import Backups


COLLECT_SECONDS = 6 * 3600.0

FOLDER = StateFolder(
    "backups",
    "backups that were made on the page, for downloading",
    "the newest 3, for 7 days",
    backup=Backup.NEVER,
)


def _backups(context: AppContext) -> Backups:
    from opcode_htmx.features.backups.service import Backups

    settings = context.settings
    return Backups(context.state.folder(FOLDER.name), settings.state_dir, settings.home)


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.backups import routes

    yield routes.blueprint(context.once(_backups))


def _jobs(context: AppContext) -> Iterable[Job]:
    yield every(COLLECT_SECONDS, "remove old backups", context.once(_backups).collect)


FEATURE = Feature(
    name="backups",
    routes=_routes,
    folders=("/backup",),
    nav=(NavItem("backups.page", "Backup", icon="archive", order=812),),
    errors={BackupRefused: 409},
    state=(FOLDER,),
    jobs=_jobs,
)
