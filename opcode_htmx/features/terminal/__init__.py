"""A terminal in the browser: a shell, or Claude's own interface, in the folder of a project."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, url_for

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem, PageLink
from opcode_htmx.sessions.terminals.model import (
    CannotStartTerminal,
    NoSuchTerminal,
    TerminalEnded,
    TerminalRuns,
    TerminalsOff,
)
from opcode_htmx.sessions.terminals.settings import FOLDER, TerminalSettings
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.websocket.router import SocketRouter


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.terminal import routes
    from opcode_htmx.sessions.terminals.services import services

    yield routes.blueprint(
        context.once(services), context.workspace, context.sessions.locations, context.runs
    )


def _sockets(context: AppContext, router: SocketRouter) -> None:
    from opcode_htmx.features.terminal import live
    from opcode_htmx.sessions.terminals.services import services

    live.register(router, context.once(services))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.terminal.api import TerminalsApi
    from opcode_htmx.sessions.terminals.services import services

    return TerminalsApi(context.once(services), context.workspace).endpoints()


def _is_on(context: AppContext) -> bool:
    return context.settings.of(TerminalSettings).on


def _of_session(context: AppContext, project_id: str, session_id: str) -> str:
    if not _is_on(context):
        return ""
    return url_for("terminal.page", project=project_id, session=session_id)


def _of_project(context: AppContext, project_id: str, folder: str) -> str:
    from opcode_htmx.runs.policies.working_folders import path_of, reference

    if not _is_on(context):
        return ""
    return url_for("terminal.page", project=project_id, folder=reference(path_of(folder)))


FEATURE = Feature(
    name="terminal",
    routes=_routes,
    sockets=_sockets,
    nav=(NavItem("terminal.page", "Terminal", icon="terminal", order=480, shown=_is_on),),
    session_links=(PageLink("Terminal", 400, _of_session),),
    project_links=(PageLink("Terminal", 400, _of_project),),
    errors={
        TerminalsOff: 404,
        NoSuchTerminal: 404,
        TerminalEnded: 409,
        TerminalRuns: 409,
        CannotStartTerminal: 503,
    },
    state=(FOLDER,),
    settings=TerminalSettings,
    endpoints=_endpoints,
)
