"""Copies: the git worktrees that sessions work in, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, url_for

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem, PageLink
from opcode_htmx.features.worktrees.settings import WorktreesSettings
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.lib.git.integration.kept import CannotRestore
from opcode_htmx.lib.git.integration.merges import CannotMerge
from opcode_htmx.lib.git.worktrees import PLACE
from opcode_htmx.sessions.worktrees.endings import CopyFailed, CopyInUse
from opcode_htmx.sessions.worktrees.kept_copies import NoSuchCopy
from opcode_htmx.sessions.worktrees.project_setup import InvalidSetup
from opcode_htmx.sessions.worktrees.service import CannotCopy
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.worktrees.views import CopyPages


EXPIRE_SECONDS = 3600.0


def _parts(context: AppContext) -> CopyPages:
    return context.once(_made)


def _made(context: AppContext) -> CopyPages:
    from opcode_htmx.features.worktrees.views import CopyPages
    from opcode_htmx.sessions.worktrees.copies import Copies
    from opcode_htmx.sessions.worktrees.endings import CopyEndings

    service = context.sessions.worktrees
    own = context.settings.of(WorktreesSettings)
    service.configure(own.folder, own.setup_seconds)
    copies = Copies(service)
    return CopyPages(context, service, copies, CopyEndings(service, copies))


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.worktrees import routes

    yield routes.blueprint(_parts(context))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.worktrees import api

    return api.WorktreesApi(_parts(context)).endpoints()


def _jobs(context: AppContext) -> Iterable[Job]:
    endings = _parts(context).endings
    yield every(EXPIRE_SECONDS, "drop copies that were removed long ago", endings.expire)


def _copy_of(context: AppContext, project_id: str, session_id: str) -> str:
    from opcode_htmx.engines.claude.files import history
    from opcode_htmx.engines.claude.files.lists import worktree_state
    from opcode_htmx.sessions.worktrees.copies import copy_id

    record = context.sessions.worktrees.of_session(session_id)
    path = record.path if record and not record.state.is_over else ""
    if record and record.state.is_over:  # it can be brought back from the list
        kept = context.sessions.worktrees.kept.all()
        return url_for("worktrees.page") if session_id in {e.session_id for e in kept} else ""
    if record is None:
        file = history.find(context.workspace.config_dir, session_id, project_id)
        entered = worktree_state.of_file(file) if file else None
        path = entered.path if entered and Path(entered.path).is_dir() else ""
    return url_for("worktrees.copy", worktree_id=copy_id(Path(path))) if path else ""


def _copies_here(context: AppContext, project_id: str, folder: str) -> str:
    from opcode_htmx.runs.policies.working_folders import reference

    path = Path(folder)
    is_there = (path / PLACE).is_dir() or (path / ".git" / "worktrees").is_dir()
    return url_for("worktrees.page", folder=reference(path)) if is_there else ""


FEATURE = Feature(
    name="worktrees",
    routes=_routes,
    nav=(NavItem("worktrees.page", "Copies", icon="branch", order=320),),
    session_links=(PageLink("Its copy", 320, _copy_of),),
    project_links=(PageLink("Copies", 320, _copies_here),),
    errors={
        NoSuchCopy: 404,
        CannotCopy: 422,
        InvalidSetup: 422,
        CannotMerge: 409,
        CannotRestore: 409,
        CopyInUse: 409,
        CopyFailed: 409,
    },
    settings=WorktreesSettings,
    endpoints=_endpoints,
    jobs=_jobs,
)
