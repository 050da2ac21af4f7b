"""/ws/claude: one socket for two reference dialects, distinguished by the first message."""

from __future__ import annotations

from simple_websocket import Server

from opcode_htmx.api.service.run_service import RunService
from opcode_htmx.api.sockets.commands import CommandSocket, is_command
from opcode_htmx.api.sockets.json_socket import serving
from opcode_htmx.api.sockets.tasks import TaskServices, TaskSocket
from opcode_htmx.runs.policies.viewer_presence import ViewerPresence
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.web.websocket.registry import OpenSockets
from opcode_htmx.web.websocket.router import SocketRouter

GREETING = "send {prompt,meta}"
"""Clients of the task dialect wait for this; those of the other dialect ignore it."""


def register(
    router: SocketRouter,
    sockets: OpenSockets,
    runs: RunService,
    supervisor: Supervisor,
    presence: ViewerPresence,
    refusals: tuple[type[Exception], ...],
    tasks: TaskServices,
) -> None:
    """Add the route. `refusals` are the exceptions whose text is for the client."""

    @router.route("/ws/claude")
    def claude(ws: Server) -> None:
        with serving(ws, sockets, "at /ws/claude") as wire:
            wire.send(type="info", info=GREETING)
            first = wire.receive()
            if is_command(first):
                CommandSocket(wire, runs, supervisor, presence, refusals).serve(first)
            else:
                TaskSocket(wire, tasks).serve(first)
