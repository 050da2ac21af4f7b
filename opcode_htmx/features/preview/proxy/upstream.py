"""Connect to a dev server, and be sure that it is the one that was opened."""

from __future__ import annotations

import contextlib
import socket

from opcode_htmx.runs.processes.listening import Listener, still_listens

CONNECT_SECONDS = 5.0
HEAD_SECONDS = 120.0
"""From the request to the first line of the answer: some dev servers build a page meanwhile."""


class Unanswered(Exception):
    """The dev server cannot be asked; the text is a sentence for the person."""


class Ended(Unanswered):
    """It is not there any more, or another program has its port."""


def connect(listener: Listener) -> socket.socket:
    """A connection to it. Raises Ended or Unanswered."""
    if not still_listens(listener):
        raise Ended(f"What listened on port {listener.port} has ended.")
    try:
        found = socket.create_connection((listener.address, listener.port), CONNECT_SECONDS)
    except OSError:
        raise Unanswered(f"Nothing answers on port {listener.port}. Try again.") from None
    # The port may have passed to another program in between
    if not still_listens(listener):
        with contextlib.suppress(OSError):
            found.close()
        raise Ended(f"What listened on port {listener.port} has ended.")
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found
