"""Clients that follow a session through all faults: they lose their sockets and reconnect.

Each keeps only the state of a real client: its cursor, and for a page its DOM.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import requests
import websocket

from chaos.counts import Counts
from chaos.plan import Cut
from chaos.server.environment import ServerUnderTest

LOST = (OSError, websocket.WebSocketException, requests.RequestException)
"""The exceptions of a client whose server, or whose connection, is gone."""

FREEZE_SECONDS = (0.05, 0.3, 1.0)
BREATH = 0.05
"""Pause between two attempts to reach a server that does not answer."""
RESTART_SECONDS = 60
SMALL_BUFFER = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]


class Client:
    """The common part of all clients: a thread, the cuts of the plan, and reconnecting."""

    kind = ""

    def __init__(
        self, server: ServerUnderTest, session_id: str, cuts: Sequence[Cut], seed: int
    ) -> None:
        self.server = server
        self.session_id = session_id
        self.counts = Counts()
        self.complaints: list[str] = []
        """Events that no client should ever see."""
        self._dice = random.Random(seed)  # noqa: S311 - no secret
        self._cuts = list(cuts)
        self._until_cut = self._cuts[0].after if self._cuts else 0
        self._abandoned: list[Any] = []
        self._leave = threading.Event()
        name = f"{self.kind} of {session_id}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """End, and close the abandoned connections."""
        self._leave.set()
        self._thread.join(30)
        if self._thread.is_alive():
            self.complaints.append(f"{self._thread.name} hangs")
        for each in self._abandoned:
            with contextlib.suppress(*LOST):
                each.close()

    def _run(self) -> None:
        while not self._leave.is_set():
            if not self.server.up.wait(RESTART_SECONDS):
                self.complaints.append(f"{self._thread.name}: the server does not come back")
                return
            try:
                self.visit()
            except LOST:
                self.counts.lost += 1
                self._leave.wait(BREATH)
            except Exception:
                self.complaints.append(f"{self._thread.name}:\n{traceback.format_exc(limit=-4)}")
                return

    def visit(self) -> None:
        """Connect, and listen until the connection is lost or this client is to end."""
        raise NotImplementedError

    def due(self) -> str:
        """Called after each message: the cut that is due now, if any."""
        if not self._cuts:
            return ""
        if self._until_cut > 0:
            self._until_cut -= 1
            return ""
        cut = self._cuts.pop(0)
        self._until_cut = self._cuts[0].after if self._cuts else 0
        return cut.how

    @property
    def leaving(self) -> bool:
        return self._leave.is_set()


class SocketClient(Client):
    """A client that follows by a WebSocket."""

    def listen(self, ws: Any) -> Iterator[str]:
        """The messages as they arrive, until the connection is cut or this client is to end."""
        while not self.leaving:
            # Select before reading, so that no read stops in the middle of a frame
            if not select.select([ws.sock], [], [], BREATH)[0]:
                continue
            yield next_message(ws)
            match self.due():
                case "":
                    pass
                case "freeze":
                    self.counts.freezes += 1
                    self._leave.wait(self._dice.choice(FREEZE_SECONDS))
                case how:
                    self.counts.cuts += 1
                    self._cut(ws, how)
                    return
        self._cut(ws, "close")

    def _cut(self, ws: Any, how: str) -> None:
        match how:
            case "close":
                with contextlib.suppress(*LOST):
                    ws.close(timeout=1)
                ws.shutdown()
            case "vanish":
                ws.sock.shutdown(socket.SHUT_RDWR)
                ws.shutdown()
            case "reset":
                ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                ws.shutdown()
            case "abandon":
                self._abandoned.append(ws.sock)
            case _:
                raise ValueError(how)


def next_message(ws: Any) -> str:
    """The next message. Raises one of LOST at the end of the connection."""
    message: str = ws.recv()
    if not message:  # the library's sign that the server has closed
        raise websocket.WebSocketConnectionClosedException
    return message
