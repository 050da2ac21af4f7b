"""/ws/claude: one socket for both of the seeds' dialects, told apart by the first message."""

from __future__ import annotations

import logging
import secrets

from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

from ..runs.leaving import Leaving
from ..runs.supervisor import Supervisor
from ..web.access import login_id
from ..web.sockets import INTERNAL_ERROR, OpenSockets, be_patient
from .commands import CommandSocket, is_command
from .executions import Executions
from .frames import Wire
from .tasks import TaskRoom, TaskSocket

log = logging.getLogger(__name__)

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
        be_patient(ws)
        sockets.add(ws, login_id())
        wire = Wire(ws)
        try:
            wire.send(type="info", info=GREETING)
            first = wire.receive()
            if is_command(first):
                CommandSocket(wire, executions, supervisor, leaving, refusals).serve(first)
            else:
                TaskSocket(wire, tasks).serve(first)
        except ConnectionClosed:
            pass
        except Exception:
            reference = secrets.token_hex(4)
            log.exception("Error %s at /ws/claude", reference)
            words = f"Something went wrong on the server. Its log has the details: {reference}."
            wire.close_with(INTERNAL_ERROR, words)
        finally:
            sockets.remove(ws)
