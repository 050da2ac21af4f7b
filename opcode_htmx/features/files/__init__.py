"""The files of each project: look at them, change them, take them along."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, PageLink
from opcode_htmx.features.files.changing import edits, trash, uploads
from opcode_htmx.features.files.documents import renderer
from opcode_htmx.features.files.places import FilesClosed, folder_address
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.files.changing.trash import FileTrash
    from opcode_htmx.features.files.changing.uploads import Uploads
    from opcode_htmx.features.files.places import ProjectPlaces


COLLECT_SECONDS = 3600.0
TRASH = StateFolder(
    "file_trash",
    holds="files that were deleted or replaced in projects",
    keep="7 days",
    version=trash.VERSION,
)
UPLOADS = StateFolder(
    "file_uploads",
    holds="uploaded files whose names were taken, until somebody decides",
    keep="1 day",
    version=uploads.VERSION,
)


def _trash(context: AppContext) -> FileTrash:
    from opcode_htmx.features.files.changing.trash import FileTrash

    return FileTrash(context.state.folder(TRASH.name))


def _uploads(context: AppContext) -> Uploads:
    from opcode_htmx.features.files.changing.uploads import Uploads

    return Uploads(context.state.folder(UPLOADS.name), context.once(_trash))


def _places(context: AppContext) -> ProjectPlaces:
    from opcode_htmx.features.files.places import ProjectPlaces

    return ProjectPlaces(context.workspace)


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.files import pages
    from opcode_htmx.features.files.changing import forms
    from opcode_htmx.features.files.opening import NamedFiles
    from opcode_htmx.features.files.places import file_address

    places = context.once(_places)
    named = NamedFiles(places, context.sessions.locations)
    environment = context.settings.child_environment
    shown = pages.blueprint(
        places, context.sessions.project_files, named, environment, context.once(_trash)
    )
    shown.add_app_template_global(file_address, "file_address")
    yield shown
    yield forms.blueprint(places, context.once(_trash), context.once(_uploads))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.files import api

    return api.endpoints(context.once(_places), context.settings.child_environment)


def _jobs(context: AppContext) -> Iterable[Job]:
    yield every(COLLECT_SECONDS, "remove old deleted files", context.once(_trash).collect)
    yield every(COLLECT_SECONDS, "remove undecided uploads", context.once(_uploads).collect)


FEATURE = Feature(
    name="files",
    routes=_routes,
    session_links=(PageLink("Files", 120, lambda _, project, __: folder_address(project)),),
    project_links=(PageLink("Files", 120, lambda _, project, __: folder_address(project)),),
    errors={FilesClosed: 403, **edits.REFUSALS, **renderer.REFUSALS},
    state=(TRASH, UPLOADS),
    endpoints=_endpoints,
    jobs=_jobs,
)
