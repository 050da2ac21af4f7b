"""/ws/claude: one socket for both of the seeds' dialects, told apart by the first message."""

from __future__ import annotations

from flask_sock import Sock
from simple_websocket import Server

from opcode_htmx.api.commands import CommandSocket, is_command
from opcode_htmx.api.executions import Executions
from opcode_htmx.api.frames import serving
from opcode_htmx.api.tasks import TaskRoom, TaskSocket
from opcode_htmx.runs.leaving import Leaving
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.web.sockets import OpenSockets

GREETING = "send {prompt,meta}"
"""What a client of the task dialect waits for; the other dialect's clients do not mind."""


def register(
    sock: Sock,
    sockets: OpenSockets,
    executions: Executions,
    supervisor: Supervisor,
    leaving: Leaving,
    refusals: tuple[type[Exception], ...],
    tasks: TaskRoom,
) -> None:
    """Add the route. `refusals` are the exceptions whose text is for the client."""

    @sock.route("/ws/claude")  # type: ignore[untyped-decorator]
    def claude(ws: Server) -> None:
        with serving(ws, sockets, "at /ws/claude") as wire:
            wire.send(type="info", info=GREETING)
            first = wire.receive()
            if is_command(first):
                CommandSocket(wire, executions, supervisor, leaving, refusals).serve(first)
            else:
                TaskSocket(wire, tasks).serve(first)
