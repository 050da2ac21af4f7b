"""Repositories: bare clones kept as a cache, and a worktree of one for each session."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flask import Blueprint, url_for

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem, PageLink
from opcode_htmx.lib.concurrency.jobs import Job, once
from opcode_htmx.lib.git.clones.urls import UrlRefused
from opcode_htmx.sessions.repositories import job_files, records
from opcode_htmx.sessions.repositories.github import GitHubFailed, NoAccount
from opcode_htmx.sessions.repositories.places import NoSuchRepository, NoSuchWorktree
from opcode_htmx.sessions.repositories.service import CannotClone
from opcode_htmx.sessions.repositories.settings import RepositoriesSettings
from opcode_htmx.sessions.repositories.transfers import Busy
from opcode_htmx.sessions.repositories.worktrees import (
    CannotMakeWorktree,
    CannotRemove,
    InUse,
    WouldBeLost,
)
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.repositories import routes
    from opcode_htmx.sessions.repositories.services import services

    yield routes.blueprint(context.once(services), context.sessions.locations)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.repositories.api import RepositoriesApi
    from opcode_htmx.sessions.repositories.services import services

    return RepositoriesApi(context.once(services)).endpoints()


def _jobs(context: AppContext) -> Iterable[Job]:
    from opcode_htmx.sessions.repositories.services import services

    transfers = context.once(services).transfers
    yield once("remove the rests of interrupted clones", transfers.clean_up)
    yield Job("clone repositories", lambda: None, transfers.stop)


def _repository_of(context: AppContext, project_id: str, folder: str) -> str:
    """The page of the repository that a folder is a worktree of."""
    from opcode_htmx.sessions.repositories.places import worktree_name
    from opcode_htmx.sessions.repositories.services import services

    places = context.once(services).places
    path = Path(folder)
    if not path.is_relative_to(places.worktrees):
        return ""
    name = worktree_name("".join(path.relative_to(places.worktrees).parts[:1]))
    return url_for("repositories.repository", repo=name.repo) if name else ""


FEATURE = Feature(
    name="repositories",
    routes=_routes,
    nav=(NavItem("repositories.page", "Repositories", icon="repository", order=160),),
    project_links=(PageLink("Repository", 450, _repository_of),),
    errors={
        UrlRefused: 422,
        CannotClone: 409,
        CannotMakeWorktree: 409,
        CannotRemove: 409,
        Busy: 409,
        InUse: 409,
        WouldBeLost: 409,
        NoSuchRepository: 404,
        NoSuchWorktree: 404,
        NoAccount: 409,
        GitHubFailed: 502,
    },
    state=(records.FOLDER, job_files.FOLDER),
    settings=RepositoriesSettings,
    endpoints=_endpoints,
    jobs=_jobs,
)
