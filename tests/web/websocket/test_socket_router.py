"""Routes of WebSockets: what becomes of a client that has gone, and of errors of a handler."""

from __future__ import annotations

from _thread import get_ident
from typing import Any

import flask_sock
import pytest
from flask import Flask
from werkzeug.exceptions import InternalServerError

from opcode_htmx.web.server.url_rules import LateMap, LateRule
from opcode_htmx.web.websocket import library
from opcode_htmx.web.websocket.registry import OpenSockets
from opcode_htmx.web.websocket.router import SocketRouter

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


class Opened:
    """A socket whose handshake was answered."""

    def __init__(self, *_: object, **__: object) -> None:
        self.mode = "test"

    def close(self) -> None:
        pass


class Gone(Opened):
    def __init__(self, *_: object, **__: object) -> None:
        raise BrokenPipeError


@pytest.fixture
def app() -> Flask:
    class App(Flask):
        url_rule_class = LateRule
        url_map_class = LateMap

    app = App(__name__)

    @SocketRouter(app, OpenSockets(0)).route("/socket")
    def socket(ws: Any) -> None:
        raise ConnectionResetError("of the handler")

    return app


def asked(app: Flask) -> int:
    address = "ws://localhost/socket"
    return app.test_client().get(address, base_url="ws://localhost", headers=UPGRADE).status_code


def test_a_client_that_goes_during_the_handshake_is_no_error(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flask_sock, "Server", Gone)
    app.testing = True  # an error of a view would be raised here
    assert asked(app) == 200


def test_an_error_of_a_handler_stays_one(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flask_sock, "Server", Opened)
    assert asked(app) == InternalServerError.code


def test_library_for_sockets_is_imported_beside_the_event_loop(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported_in: list[int] = []
    monkeypatch.setattr(library, "_import", lambda: imported_in.append(get_ident()))
    monkeypatch.setattr(flask_sock, "Server", Gone)
    assert [asked(app), asked(app)] == [200, 200]
    (thread,) = imported_in
    assert thread != get_ident()
