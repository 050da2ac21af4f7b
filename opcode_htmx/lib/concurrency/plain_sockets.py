"""Sockets of the standard library, where gevent's own would be in the way."""

from __future__ import annotations

import contextlib
import os
import socket

from gevent import monkey

plain_socket: type[socket.socket] = monkey.get_original("socket", "socket")


def shut_down(each: socket.socket) -> None:
    """Shut a connection down: a read finds its end, as if the other side had gone.

    gevent's own shutdown raises an error in the greenlet that reads.
    """
    with contextlib.suppress(OSError), plain_socket(fileno=os.dup(each.fileno())) as sock:
        sock.shutdown(socket.SHUT_RDWR)
