"""The page of a session: its transcript, updated live, with images and files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.features.session_page.snapshots import FRAGMENT, VIEWERS, FrameScheduler
from opcode_htmx.lib.concurrency.jobs import Job
from opcode_htmx.lib.files.file_watch import FolderListener
from opcode_htmx.sessions.locations import FolderUnknown
from opcode_htmx.web.websocket.router import SocketRouter

SEEN_PAUSE = 0.5
"""Seconds between two looks at what was seen: while a session is read, its position changes all the
time."""


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
    yield others.blueprint(
        context.workspace.config_dir, sessions.lookup, sessions.flags, sessions.read_positions
    )


def _sockets(context: AppContext, router: SocketRouter) -> None:
    from opcode_htmx.features.session_page import live_updates

    frames = context.once(_frames)
    live_updates.register(router, context.sessions.lookup, context.runs.viewers, frames)


def _frames(context: AppContext) -> FrameScheduler:
    return FrameScheduler(
        context.sessions.views.environment,
        context.monitor.recently_busy,
        rendered=partial(context.metrics.observe, FRAGMENT),
        viewers=partial(context.metrics.change, VIEWERS),
    )


def _jobs(context: AppContext) -> Iterable[Job]:
    def show() -> None:
        context.sessions.attention.forget()
        context.once(_frames).check_needs()

    positions = context.state.folder("marks.json")
    listener = FolderListener(
        positions.parent,
        show,
        "The pages of sessions could not show what was seen elsewhere",
        name=positions.name,
        pause=SEEN_PAUSE,
    )
    yield Job("notice what was seen on other devices", listener.start, listener.stop)


FEATURE = Feature(
    name="session_page",
    routes=_routes,
    sockets=_sockets,
    jobs=_jobs,
    errors={FolderUnknown: 409},
    metrics=(FRAGMENT, VIEWERS),
)
