"""Of a peer whose messages are not handled, no more are read."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import gevent
from gevent import socket

from opcode_htmx.web.websocket.connection import (
    BACKLOG,
    BACKLOG_POLL_SECONDS,
    WebSocketConnection,
)
from opcode_htmx.web.websocket.registry import OpenSockets
from tests.support.environment import PATIENCE


def test_a_socket_is_not_read_while_many_of_its_messages_are_unhandled() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as peer,
        listener.accept()[0] as accepted,
    ):
        connection = WebSocketConnection(accepted, PATIENCE, compresses=False)
        ws: Any = Mock(sock=connection, input_buffer=["message"] * (BACKLOG + 1))
        OpenSockets(PATIENCE).add(ws, "")
        peer.sendall(b"more")
        reading = gevent.spawn(connection.recv, 10)
        reading.join(2 * BACKLOG_POLL_SECONDS)
        assert not reading.ready()
        ws.input_buffer.pop()
        assert reading.get(timeout=PATIENCE) == b"more"
