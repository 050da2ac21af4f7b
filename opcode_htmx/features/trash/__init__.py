"""The trash: deleted sessions, which can be restored until they are purged."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.sessions.storage.trash import NotInTrash

PURGE_SECONDS = 6 * 3600.0


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.trash import routes

    yield routes.blueprint(context.sessions.views, context.sessions.trash)


def _jobs(context: AppContext) -> Iterable[Job]:
    yield every(PURGE_SECONDS, "empty the trash", context.sessions.trash.purge)


FEATURE = Feature(name="trash", routes=_routes, errors={NotInTrash: 404}, jobs=_jobs)
