"""The API as a feature: REST and sockets for programs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from opcode_htmx.api.service.refusals import BadCursor, NotStopped
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.websocket import library
from opcode_htmx.web.websocket.router import SocketRouter

if TYPE_CHECKING:
    from opcode_htmx.api.service.chats import Chats
    from opcode_htmx.api.service.deferred_rename import DeferredRename
    from opcode_htmx.api.service.run_service import RunService


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
    from opcode_htmx.api.service.chats import Chats, ChatStore
    from opcode_htmx.api.service.deferred_rename import DeferredRename
    from opcode_htmx.api.service.run_service import RunService
    from opcode_htmx.engines.claude.files import history

    workspace, sessions = context.workspace, context.sessions
    submitter = sessions.submitter
    runs = RunService(
        context.runs, sessions.locations, submitter, workspace, context.settings.stop_deadline
    )
    rename = DeferredRename(partial(history.find, workspace.config_dir))
    store = ChatStore(context.state.folder(CHATS.name))
    chats = Chats(store, context.runs, runs, submitter, sessions.lookup, workspace, rename)
    return _Services(runs, rename, chats)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    """The modules of each part are imported when it has its turn: they take 15 ms together."""
    services, workspace, sessions = _services(context), context.workspace, context.sessions
    settings = context.settings
    from opcode_htmx.api.rest.runs import RunsApi
    from opcode_htmx.runs.processes.claude_process import MONITOR

    yield from RunsApi(context.runs, services.runs, MONITOR).endpoints()
    from opcode_htmx.api.rest.elicitations import ElicitationsApi

    yield from ElicitationsApi(services.runs).endpoints()
    from opcode_htmx.api.rest.chat_sessions import ChatSessionsApi

    yield from ChatSessionsApi(services.chats, sessions.exporter).endpoints()
    from opcode_htmx.api.rest.projects import ProjectsApi

    yield from ProjectsApi(workspace.config_dir, services.runs, sessions.lookup).endpoints()
    from opcode_htmx.api.rest.settings import SettingsApi
    from opcode_htmx.engines.claude.install.installations import Installations

    path = settings.child_environment.get("PATH", "")
    installed = Installations(settings.claude_path, path, settings.home)
    yield from SettingsApi(sessions.configuration, context.claude_path, installed).endpoints()
    from opcode_htmx.api.rest.slash_commands import SlashCommandsApi
    from opcode_htmx.sessions.configuration.documents import Documents

    yield from SlashCommandsApi(Documents(sessions.configuration)).endpoints()
    from opcode_htmx.api.rest import health

    yield from health.endpoints(context.monitor)


def _sockets(context: AppContext, router: SocketRouter) -> None:
    library.load()
    from opcode_htmx.api.service.terminal_sizes import resizer
    from opcode_htmx.api.sockets import chat_socket, claude_socket
    from opcode_htmx.api.sockets.tasks import TaskServices
    from opcode_htmx.sessions.terminals.services import services as terminal_services

    services, refusals = _services(context), context.refusals
    tasks = TaskServices(
        context.runs,
        context.sessions.submitter,
        services.rename,
        context.workspace.task_folder,
        context.settings.task_timeout,
    )
    claude_socket.register(
        router,
        router.sockets,
        services.runs,
        context.runs,
        context.runs.viewers,
        refusals,
        tasks,
    )
    resize = resizer(partial(context.once, terminal_services))
    chat_socket.register(router, router.sockets, services.chats, refusals, resize)


FEATURE = Feature(
    name="api",
    sockets=_sockets,
    late_sockets=("/ws/claude",),
    endpoints=_endpoints,
    errors={
        NotStopped: 503,
        BadCursor: 422,
    },
    state=(CHATS,),
)
