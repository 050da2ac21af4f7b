"""The page of a session: its transcript, updated live, with images and files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.features.session_page.snapshots import FRAGMENT, VIEWERS
from opcode_htmx.sessions.locations import FolderUnknown
from opcode_htmx.web.websocket.router import SocketRouter


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.session_page import canonical, images, others, routes

    sessions = context.sessions
    yield canonical.blueprint(sessions.locations)
    yield routes.blueprint(
        context.workspace,
        sessions.lookup,
        sessions.read_positions,
        context.runs.viewers,
        context.capabilities,
    )
    yield images.blueprint(sessions.lookup)
    yield others.blueprint(context.workspace.config_dir, sessions.lookup, sessions.flags)


def _sockets(context: AppContext, router: SocketRouter) -> None:
    from opcode_htmx.features.session_page import live_updates
    from opcode_htmx.features.session_page.snapshots import FrameScheduler

    views = context.sessions.views
    frames = FrameScheduler(
        views.environment,
        context.monitor.recently_busy,
        rendered=partial(context.metrics.observe, FRAGMENT),
        viewers=partial(context.metrics.change, VIEWERS),
    )
    live_updates.register(router, context.sessions.lookup, context.runs.viewers, frames)


FEATURE = Feature(
    name="session_page",
    routes=_routes,
    sockets=_sockets,
    errors={FolderUnknown: 409},
    metrics=(FRAGMENT, VIEWERS),
)
