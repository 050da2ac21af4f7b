"""WebSocket messages for programs: JSON, many at a time, each whole.

A burst of lines goes out as one write of many frames. They are not compressed, which would cost
more than it saves on the networks that this is for; the library does the rest of the protocol.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any

from simple_websocket import ConnectionClosed, Server

from ..web.sockets import close, text_frame

__all__ = ["Wire", "text_frame"]


class Wire:
    """One client's socket. Whoever writes to it waits until the client has taken it."""

    def __init__(self, ws: Server) -> None:
        self._ws = ws

    @property
    def open(self) -> bool:
        return bool(self._ws.connected)

    def send(self, **message: Any) -> None:
        """Raises ConnectionClosed."""
        self.write((text_frame(json.dumps(message, ensure_ascii=False).encode()),))

    def write(self, frames: Iterable[bytes]) -> None:
        """Send finished frames in one go. Raises ConnectionClosed."""
        if not self._ws.connected:
            raise ConnectionClosed(self._ws.close_reason, self._ws.close_message)
        try:
            self._ws.sock.send(b"".join(frames))
        except OSError as error:
            raise ConnectionClosed from error

    def receive(self) -> str | bytes:
        """The next message. Raises ConnectionClosed."""
        message: str | bytes | None = self._ws.receive()
        if message is None:
            raise ConnectionClosed
        return message

    def close(self, code: int) -> None:
        close(self._ws, code)

    def close_with(self, code: int, words: str) -> None:
        """Say what went wrong, if the client still hears it, and close."""
        with contextlib.suppress(ConnectionClosed):
            self.send(type="error", message=words, error=words)
        self.close(code)
