"""The listening socket that systemd passes to the server that it starts."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

FIRST_DESCRIPTOR = 3
"""Where passed sockets begin; gunicorn serves all of them."""


class SocketMismatch(Exception):
    """The socket is not at the port of the settings; the message is one sentence."""


def is_passed(environ: Mapping[str, str], port: int) -> bool:
    """Whether this process was passed a listening socket: then it must not bind one itself.

    Raises SocketMismatch if its port is not `port`, which links and cookies are made for.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()) or environ.get("LISTEN_FDS", "0") == "0":
        return False
    try:
        with socket.socket(fileno=os.dup(FIRST_DESCRIPTOR)) as passed:
            name = passed.getsockname()
    except OSError:
        return False
    # a socket of the file system, in front of which a proxy stands, has no port
    if isinstance(name, tuple) and name[1] != port:
        raise SocketMismatch(
            f"The socket of the service is at port {name[1]}, and PORT says {port}; run "
            "`opcode-htmx service install` again."
        )
    return True
