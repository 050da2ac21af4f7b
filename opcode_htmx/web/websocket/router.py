"""Routes of WebSockets: what features register their sockets with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Flask
from flask_sock import Sock

from opcode_htmx.web.websocket.registry import OpenSockets

Handler = TypeVar("Handler", bound=Callable[..., None])


class SocketRouter:
    """WebSocket addresses of the app, and the sockets that are open at them."""

    def __init__(self, app: Flask, sockets: OpenSockets) -> None:
        self.sockets = sockets
        self._sock = Sock(app)

    def route(self, path: str) -> Callable[[Handler], Handler]:
        """Decorate the function that serves a socket; it gets the socket and the path's values."""
        return self._sock.route(path)  # type: ignore[no-any-return]
