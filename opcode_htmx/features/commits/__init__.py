"""Decide what becomes of changes: stage, discard, commit, branch, stash, pull and push."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, url_for

from opcode_htmx.features.commits import acts, register
from opcode_htmx.features.commits.services import ACTS, DISCARDS, ERRORS
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, PageLink
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.commits.pages import routes
    from opcode_htmx.features.commits.services import services

    yield routes.blueprint(context.once(services))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.commits.api import GitApi
    from opcode_htmx.features.commits.services import services

    return GitApi(context.once(services)).endpoints()


def _jobs(context: AppContext) -> Iterable[Job]:
    from opcode_htmx.features.commits.services import services

    expire = context.once(services).register.expire
    yield every(register.EVERY_SECONDS, "forget discarded changes", expire)


def _of_project(context: AppContext, project_id: str, folder: str) -> str:
    from opcode_htmx.features.commits.services import services

    if not context.once(services).projects.has_repository(folder):
        return ""
    return url_for("commits.page", project_id=project_id)


def _of_session(context: AppContext, project_id: str, session_id: str) -> str:
    location = context.sessions.locations.at(project_id, session_id)
    return _of_project(context, project_id, location.folder) if location.folder else ""


FEATURE = Feature(
    name="commits",
    routes=_routes,
    session_links=(PageLink("Git", 140, _of_session),),
    project_links=(PageLink("Git", 140, _of_project),),
    errors=ERRORS,
    state=(
        StateFolder(
            ACTS,
            "what became of commands of git that took long, and locks of repositories",
            "an hour; the locks for good",
            acts.VERSION,
        ),
        StateFolder(
            DISCARDS,
            "which repositories hold changes that were discarded; these are in the repository",
            "until 7 days after the last one",
            register.VERSION,
        ),
    ),
    endpoints=_endpoints,
    jobs=_jobs,
)
