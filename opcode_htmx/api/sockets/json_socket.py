"""WebSocket messages for programs: JSON, many in one write, each whole.

A burst of lines is one write of many frames. They are not compressed, which would cost more than it
saves on the networks that this is for; the library does the rest of the protocol.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from simple_websocket import ConnectionClosed, Server

from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.surrogates import json_bytes
from opcode_htmx.web.auth.gate import current_identity, login_id
from opcode_htmx.web.http.errors import unforeseen
from opcode_htmx.web.websocket.registry import (
    INTERNAL_ERROR,
    OpenSockets,
    be_patient,
    close,
    text_frame,
)

__all__ = ["LAST_ERRORS", "JsonWebSocket", "serving", "text_frame"]

log = logging.getLogger(__name__)

LAST_ERRORS = 5
"""Lines of stderr that go with the end of a run that failed."""


def error_message(sentence: str, *names: str, **fields: Any) -> dict[str, Any]:
    """The message of type `error`: its sentence stands under `message`.

    `names` are further fields for the sentence, under which clients of the dialect look for it.
    """
    return {"type": "error", "message": sentence, **dict.fromkeys(names, sentence), **fields}


class JsonWebSocket:
    """One client's socket. A write returns when the client has taken it.

    `by` is the identity that has opened it, and for which it speaks as long as it is open.
    """

    def __init__(self, ws: Server, by: Identity) -> None:
        self._ws = ws
        self.by = by

    @property
    def open(self) -> bool:
        return bool(self._ws.connected)

    def send(self, **message: Any) -> None:
        """Raises ConnectionClosed."""
        self.write((text_frame(json_bytes(message)),))

    def write(self, frames: Iterable[bytes]) -> None:
        """Send encoded frames in one write. Raises ConnectionClosed."""
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

    def close_with(self, code: int, sentence: str) -> None:
        """Send an error, if the client is still there, and close."""
        with contextlib.suppress(ConnectionClosed):
            self.send(**error_message(sentence, "error"))
        self.close(code)

    def fail(self, where: str) -> None:
        """Log the exception that is being handled, and close with the reference to it."""
        reference, sentence = unforeseen()
        log.exception("Error %s %s", reference, where)
        self.close_with(INTERNAL_ERROR, sentence)


@contextlib.contextmanager
def serving(ws: Server, sockets: OpenSockets, where: str) -> Iterator[JsonWebSocket]:
    """A client's socket, until the client goes or an unexpected error occurs.

    Raises ConnectionClosed, which flask-sock expects, where there are too many clients already.
    """
    be_patient(ws)
    sockets.add(ws, login_id())
    wire = JsonWebSocket(ws, current_identity())
    try:
        yield wire
    except ConnectionClosed:
        pass
    except Exception:
        wire.fail(where)
    finally:
        sockets.remove(ws)
