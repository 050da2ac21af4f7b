"""The pages for finding a session: projects, and the sessions of one."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.engines.claude.files.sessions import (
    ProjectNotFound,
    SessionNotFound,
    SeveralProjects,
)
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.projects import routes

    sessions = context.sessions
    yield routes.blueprint(
        context.workspace.config_dir, sessions.trash, sessions.flags, sessions.read_positions
    )


FEATURE = Feature(
    name="projects",
    routes=_routes,
    nav=(NavItem("projects.index", "Projects", icon="folder", order=150),),
    errors={ProjectNotFound: 404, SessionNotFound: 404, SeveralProjects: 409},
)
