"""A client of one of the JSON sockets: sends commands, and keeps the messages received."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import websocket

from tests.support.environment import PASSWORD, USER
from tests.support.server import Server

Message = dict[str, Any]


class JsonClient:
    """Logged in by Basic, as scripts are."""

    def __init__(
        self, server: Server, path: str = "/ws/claude", *, greeted: bool = True, **options: Any
    ) -> None:
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        given = {
            "header": [f"Authorization: Basic {credentials}"],
            "suppress_origin": True,
            "timeout": 30,
            "skip_utf8_validation": True,  # it checks byte by byte; decoding checks as well
            **options,
        }
        url = server.url.replace("http", "ws", 1) + path
        self.ws: Any = websocket.create_connection(url, **given)
        self.messages: list[Message] = []
        self.code = 0
        """The code of the close frame, once `frames` has read it."""
        if greeted:
            self.receive()

    def send(self, **message: Any) -> None:
        self.ws.send(json.dumps(message))

    def receive(self) -> Message:
        message: Message = json.loads(self.ws.recv())
        self.messages.append(message)
        return message

    def until(self, condition: str | Callable[[Message], Any]) -> Message:
        """Read until a message is of a type, or meets a condition; that message."""
        while True:
            message = self.receive()
            if message.get("type") == condition or (callable(condition) and condition(message)):
                return message

    def of_type(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message.get("type") == kind]

    def lines(self) -> list[str]:
        """Claude's lines, as they came."""
        return [message["content"] for message in self.of_type("output")]

    def said(self) -> list[str]:
        """The texts of Claude's answers."""
        return texts(self.lines())

    def frames(self) -> list[str]:
        """The text frames that are left, as they came, up to the close frame."""
        found: list[str] = []
        while True:
            opcode, data = self.ws.recv_data()
            if opcode != websocket.ABNF.OPCODE_TEXT:
                self.code = struct.unpack("!H", data[:2])[0]
                return found
            found.append(data.decode())

    def close_code(self) -> int:
        """Read to the close frame, and give its code."""
        while True:
            opcode, data = self.ws.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code: int = struct.unpack("!H", data[:2])[0]
                return code
            if opcode == websocket.ABNF.OPCODE_TEXT:
                self.messages.append(json.loads(data))

    def close(self) -> None:
        try:
            self.ws.close(timeout=1)
        except (OSError, websocket.WebSocketException):
            pass
        finally:
            self.ws.shutdown()


def texts(lines: list[str]) -> list[str]:
    """The assistant's texts in lines of stream-json."""
    found = []
    for line in map(json.loads, lines):
        if line["type"] == "assistant":
            found += [part["text"] for part in line["message"]["content"] if "text" in part]
    return found


@contextlib.contextmanager
def connected(server: Server, path: str = "/ws/claude", **options: Any) -> Iterator[JsonClient]:
    client = JsonClient(server, path, **options)
    try:
        yield client
    finally:
        client.close()
