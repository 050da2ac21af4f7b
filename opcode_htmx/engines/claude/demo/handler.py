"""One HTTP request to the scripted Messages API: its routes, its stream, its errors."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opcode_htmx.engines.claude.demo import sse
from opcode_htmx.engines.claude.demo.script import (
    ApiError,
    Request,
    Turn,
    reply_to,
)

if TYPE_CHECKING:
    from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, ScriptedServer

_log = logging.getLogger(__name__)
_GATE_POLL = 0.05


class ClientGone(ConnectionError):
    """The client hung up, or the server closes."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ScriptedServer

    @property
    def _api(self) -> MessagesApi:
        return self.server.api

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: they hold prompts of people."""

    def do_HEAD(self) -> None:
        self._json({})

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/healthz":
            self._json({"status": "ok", "nonce": self._api.nonce})
        else:
            self._not_found()

    def do_POST(self) -> None:
        self._api.count(+1)
        try:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            match urlsplit(self.path).path:
                case "/v1/messages":
                    self._messages(raw)
                case "/v1/messages/count_tokens":
                    self._json({"input_tokens": sse.tokens_in(raw)})
                case _:
                    self._not_found()
        except ConnectionError:
            self.close_connection = True
        finally:
            self._api.count(-1)

    def _messages(self, raw: bytes) -> None:
        try:
            body = json.loads(raw)
            if not isinstance(body, dict):
                raise ValueError("the body must be an object")
            request = Request.parse(body)
        except ValueError as error:
            self._error(ApiError(HTTPStatus.BAD_REQUEST, "invalid_request_error", str(error)))
            return
        self._api.remember(body)
        try:
            reply = reply_to(self._api.scenes, request)
        except Exception:
            _log.exception("A scene failed.")
            self._error(ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "api_error", "A scene failed."))
            return
        if isinstance(reply, ApiError):
            self._error(reply)
            return
        model, input_tokens = str(body.get("model", "demo")), sse.tokens_in(raw)
        if body.get("stream"):
            self._stream(reply, model, input_tokens)
        else:
            self._json(sse.message(reply, model, input_tokens))

    def _stream(self, turn: Turn, model: str, input_tokens: int) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in sse.events(turn, model, input_tokens):
            self._wait_for(event)
            self._chunk(event.encode())
        self._chunk(b"")

    def _wait_for(self, event: sse.Event) -> None:
        """Keep the event's time; raise ClientGone as soon as the client has gone."""
        if event.is_piece:
            pace = self._api.pace if event.pace is None else event.pace
            if pace > 0:
                self._api.closing.wait(pace)
            self._check_client()
        if event.gate is not None:
            while not event.gate.wait(_GATE_POLL):
                self._check_client()

    def _check_client(self) -> None:
        if self._api.closing.is_set():
            raise ClientGone
        try:
            if not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                raise ClientGone
        except BlockingIOError:
            return  # connected and silent, as it should be

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _not_found(self) -> None:
        text = f"The scripted Messages API has nothing at {urlsplit(self.path).path}."
        self._error(ApiError(HTTPStatus.NOT_FOUND, "not_found_error", text))

    def _error(self, error: ApiError) -> None:
        headers = {"x-should-retry": "true" if error.retry else "false"}
        self._json(sse.error(error.type, error.message), error.status, headers)

    def _json(
        self, body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
