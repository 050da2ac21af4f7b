"""The listening socket that systemd passes to the server that it starts."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping

FIRST_DESCRIPTOR = 3
"""Where passed sockets begin; gunicorn serves all of them."""


class SocketMismatch(Exception):
    """The socket is not at the port of the settings; the message is one sentence."""


def is_passed(environ: Mapping[str, str], port: int) -> bool:
    """Whether this process was passed a listening socket: then it must not bind one itself.

    Raises SocketMismatch if its port is not `port`, which links and cookies are made for.
    """
    passed = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not passed.isdecimal():
        return False
    names = list(_names(int(passed)))
    ports = [name[1] for name in names if isinstance(name, tuple)]
    # sockets of the file system, in front of which a proxy stands, have no port
    if ports and port not in ports:
        raise SocketMismatch(
            f"The socket of the service is at port {ports[0]}, and PORT says {port}; run "
            "`opcode-htmx service install` again."
        )
    return bool(names)


def _names(count: int) -> Iterator[object]:
    """The addresses of the passed sockets, in no particular order: some are for previews."""
    for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + count):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as passed:
            yield passed.getsockname()
