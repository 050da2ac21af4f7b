"""What Claude changed: the files since a session began, their diffs, and comments on them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, url_for

from opcode_htmx.engines.claude.files.sessions import ProjectNotFound, SessionNotFound
from opcode_htmx.features.changes.places import CannotCompare, GitProblem
from opcode_htmx.features.changes.review import store
from opcode_htmx.features.changes.review.store import NoSuchComment, TooManyComments
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, PageLink
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.sessions.locations import FolderUnknown
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.changes.listings import Listings


log = logging.getLogger(__name__)

_NOT_COUNTED = (
    CannotCompare,
    GitProblem,
    ProjectNotFound,
    SessionNotFound,
    FolderUnknown,
    InvalidFolder,
)
"""Why a session has no changes to count."""


def _listings(context: AppContext) -> Listings:
    from opcode_htmx.features.changes.bases import Base
    from opcode_htmx.features.changes.listings import Listings, Seen
    from opcode_htmx.features.changes.places import Places

    environment = context.settings.child_environment
    places = Places(context.workspace, context.sessions.locations, context.runs, environment)
    counts = context.sessions.changed_counts

    def note(seen: Seen) -> None:
        session_id = seen.place.session_id
        if seen.choice.base is Base.SESSION:
            number = seen.totals.files
            if counts.note(session_id, number):
                context.runs.changes(session_id).notify()

    return Listings(places, context.runs, partial(_left, context), on_read=note)


def _left(context: AppContext, session_id: str) -> str:
    """The branch that the worktree of a session was made from; empty for one without."""
    record = context.sessions.worktrees.records.get(session_id) if session_id else None
    return f"refs/heads/{record.base}" if record and record.base else ""


def _count(context: AppContext, session_id: str) -> bool:
    """Count the files that a session has changed, if something has happened since the last time.

    Whether that was too short ago, so that they have to be counted again.
    """
    from opcode_htmx.features.changes.bases import Base

    try:
        location = context.sessions.locations.of(session_id)
        listings = context.once(_listings)
        seen = listings.recent(location.claude_folder, location.session_id, Base.SESSION)
        return listings.is_behind(seen)
    except _NOT_COUNTED as error:
        log.debug("the changes of session %s are not counted: %s", session_id, error)
        return False


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.changes import routes
    from opcode_htmx.features.changes.review import routes as review_routes
    from opcode_htmx.features.changes.review.recipients import Recipients
    from opcode_htmx.features.changes.review.store import Reviews
    from opcode_htmx.features.changes.review.viewed import ViewedFiles

    listings, viewed = context.once(_listings), ViewedFiles()
    folder = context.state.folder
    reviews = Reviews(folder(store.OF_SESSIONS), folder(store.OF_PROJECTS))
    yield routes.blueprint(listings, reviews, viewed, context.sessions.lookup)
    recipients = Recipients(
        context.workspace.config_dir,
        context.sessions.locations,
        context.sessions.submitter,
        context.sessions.drafts,
        context.runs,
    )
    yield review_routes.blueprint(listings, reviews, viewed, recipients)


def _at_start(context: AppContext, app: Flask) -> None:
    context.sessions.changed_counts.counted_by(partial(_count, context))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.changes import api

    return api.endpoints(context.once(_listings))


def _of_session(context: AppContext, project_id: str, session_id: str) -> str:
    return url_for("changes.page", project_id=project_id, session_id=session_id)


def _of_project(context: AppContext, project_id: str, folder: str) -> str:
    return url_for("changes.page", project_id=project_id, session_id="")


FEATURE = Feature(
    name="changes",
    routes=_routes,
    at_start=_at_start,
    session_links=(PageLink("Changes", 100, _of_session),),
    project_links=(PageLink("Changes", 100, _of_project),),
    errors={CannotCompare: 409, GitProblem: 409, NoSuchComment: 404, TooManyComments: 409},
    state=(
        StateFolder(
            store.OF_SESSIONS,
            "comments on the changes of each session, and which files were looked at",
            "as long as the session",
            store.VERSION,
            per_session=True,
            with_session=True,
            in_trash=True,
        ),
        StateFolder(
            store.OF_PROJECTS,
            "the same for projects, written without a session",
            version=store.VERSION,
        ),
    ),
    endpoints=_endpoints,
)
