"""A scripted Messages API on loopback, for the demo and the tests. Knows nothing of the app."""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opcode_htmx.engines.claude.demo.handler import Handler
from opcode_htmx.engines.claude.demo.script import (
    ApiError,
    Block,
    Request,
    Scene,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Turn,
)

__all__ = [
    "ApiError",
    "Block",
    "MessagesApi",
    "Request",
    "Scene",
    "Text",
    "Thinking",
    "ToolResult",
    "ToolUse",
    "Turn",
]

_log = logging.getLogger(__name__)
_JOIN_TIMEOUT = 5.0


class MessagesApi:
    """A Messages API that answers by scenes, on 127.0.0.1 from construction until close().

    scenes: tried in order; the first that matches the newest prompt answers.
    pace: seconds between pieces of text, unless a block names its own.
    port: 0 takes a free one. Raises OSError if the port is taken.
    nonce: returned by GET /healthz, to identify this API.
    keep_requests: how many request bodies `requests` remembers.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        pace: float = 0.0,
        port: int = 0,
        *,
        nonce: str = "",
        keep_requests: int = 200,
    ) -> None:
        self.scenes = tuple(scenes)
        self.pace = pace
        self.nonce = nonce
        self.closing = threading.Event()
        self._bodies: deque[Mapping[str, Any]] = deque(maxlen=keep_requests)
        self._active = 0
        self._lock = threading.Lock()
        self._server = ScriptedServer(self, port)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Mapping[str, Any]]:
        """The newest bodies posted to /v1/messages, oldest first."""
        return list(self._bodies)

    @property
    def active(self) -> int:
        """The number of answers in progress."""
        return self._active

    def start(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="messages-api", daemon=True
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """End every answer in progress and release the port. May be called twice."""
        self.closing.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join(_JOIN_TIMEOUT)
            self._thread = None
        self._server.server_close()
        self._server.end_connections()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def remember(self, body: Mapping[str, Any]) -> None:
        self._bodies.append(body)

    def count(self, change: int) -> None:
        with self._lock:
            self._active += change


class ScriptedServer(ThreadingHTTPServer):
    """The socket and the threads, one a connection."""

    daemon_threads = True

    def __init__(self, api: MessagesApi, port: int) -> None:
        self.api = api
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._connections_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        # HTTPServer would look up the machine's full name here, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        thread = threading.current_thread()
        with self._connections_lock:
            self._connections[thread] = request
            if self.api.closing.is_set():  # accepted too late for end_connections to see it
                request.shutdown(socket.SHUT_RDWR)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._connections_lock:
                del self._connections[thread]

    def end_connections(self) -> None:
        """Wake the threads that wait for a next request on an open connection; wait for all."""
        with self._connections_lock:
            connections = dict(self._connections)
            for connection in connections.values():
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was faster
        for thread in connections:
            thread.join(_JOIN_TIMEOUT)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            _log.exception("A request to the scripted Messages API failed.")
