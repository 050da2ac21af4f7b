"""Routes of WebSockets: what features register their sockets with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Flask, g

from opcode_htmx.web.server.url_rules import LateRoutes
from opcode_htmx.web.websocket import library
from opcode_htmx.web.websocket.registry import OpenSockets

Handler = TypeVar("Handler", bound=Callable[..., None])


class SocketRouter:
    """WebSocket addresses of the app, and the sockets that are open at them."""

    def __init__(self, app: Flask, sockets: OpenSockets) -> None:
        self.sockets = sockets
        self._routes = LateRoutes(app)

    def route(self, path: str) -> Callable[[Handler], Handler]:
        """Decorate the function that serves a socket; it gets the socket and the path's values."""

        def decorate(handler: Handler) -> Handler:
            self._routes.add_url_rule(path, handler.__name__, _view(handler), websocket=True)
            return handler

        return decorate


def _view(handler: Callable[..., None]) -> Callable[..., Any]:
    """The view of flask-sock, imported with the first socket."""
    made: list[Callable[..., Any]] = []

    class Routes:
        """What flask-sock takes for a blueprint."""

        def route(self, path: str, **options: Any) -> Callable[[Callable[..., Any]], None]:
            return made.append

    @wraps(handler)
    def begun(*args: Any, **values: Any) -> None:
        g.socket_has_begun = True
        handler(*args, **values)

    @wraps(handler)
    def view(*args: Any, **values: Any) -> Any:
        if not made:
            library.load()
            from flask_sock import Sock

            Sock().route("", bp=Routes())(begun)
        try:
            return made[0](*args, **values)
        except ConnectionError:
            if "socket_has_begun" in g:
                raise
            return ""  # the client has gone before the handshake's answer

    return view
