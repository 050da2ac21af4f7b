"""The API as a feature: REST and sockets for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from flask import Blueprint

from opcode_htmx.api.rest import (
    catalog,
    chat_sessions,
    health,
    projects,
    runs,
    settings,
)
from opcode_htmx.api.schema import openapi
from opcode_htmx.api.schema.envelope import InvalidRequest
from opcode_htmx.api.service.chats import Chats, ChatStore
from opcode_htmx.api.service.deferred_rename import DeferredRename
from opcode_htmx.api.service.run_service import NotStopped, RunService, SessionExists
from opcode_htmx.api.sockets import chat_socket, claude_socket
from opcode_htmx.api.sockets.session_lines import BadCursor
from opcode_htmx.api.sockets.tasks import TaskServices
from opcode_htmx.engines.claude.config import mcp_config
from opcode_htmx.engines.claude.config.user_config import UserFileError
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.install.installations import Installations
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.features.session_admin.exports import Exports
from opcode_htmx.lib import resources
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.runs.processes.claude_process import census
from opcode_htmx.web.websocket.router import SocketRouter

CHATS = StateFolder(
    "chats",
    holds="a session that a program asked for",
    keep="as long as the session",
    version=1,
    per_session=True,
    with_session=True,
)


@dataclass(frozen=True, slots=True)
class _Services:
    """What REST and sockets share."""

    runs: RunService
    rename: DeferredRename
    chats: Chats


def _services(context: AppContext) -> _Services:
    workspace, sessions = context.workspace, context.sessions
    runs = RunService(context.runs, sessions.locations, workspace, context.settings.stop_deadline)
    rename = DeferredRename(partial(history.find, workspace.config_dir))
    store = ChatStore(context.state.folder(CHATS.name))
    chats = Chats(store, context.runs, runs, sessions.lookup, workspace, rename)
    return _Services(runs, rename, chats)


def _routes(context: AppContext) -> Iterable[Blueprint]:
    services, workspace, sessions = _services(context), context.workspace, context.sessions
    settings_ = context.settings
    environment = settings_.child_environment
    moved = workspace.sample_project is not None or "CLAUDE_CONFIG_DIR" in environment
    state_file = mcp_config.state_file(workspace.config_dir, settings_.home, moved)
    installed = Installations(settings_.claude_path, environment.get("PATH", ""), settings_.home)
    exports = Exports(sessions.lookup, sessions.views, resources.STATIC)
    yield health.blueprint(context.monitor)
    yield runs.blueprint(context.runs, services.runs, census)
    yield chat_sessions.blueprint(services.chats, exports)
    yield projects.blueprint(workspace.config_dir, services.runs, sessions.lookup)
    yield settings.blueprint(workspace.config_dir, context.runs.binary, installed)
    yield catalog.blueprint(workspace, state_file)
    yield openapi.blueprint()


def _sockets(context: AppContext, router: SocketRouter) -> None:
    services, refusals = _services(context), context.refusals
    tasks = TaskServices(
        context.runs,
        services.rename,
        context.workspace.task_folder,
        context.settings.task_timeout,
    )
    claude_socket.register(
        router,
        router.sockets,
        services.runs,
        context.runs,
        context.runs.leaving,
        refusals,
        tasks,
    )
    chat_socket.register(router, router.sockets, services.chats, refusals)


FEATURE = Feature(
    name="api",
    routes=_routes,
    sockets=_sockets,
    errors={
        InvalidRequest: 422,
        UserFileError: 422,
        SessionExists: 409,
        NotStopped: 503,
        BadCursor: 422,
    },
    state=(CHATS,),
)
