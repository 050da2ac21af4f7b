"""The TCP socket of a WebSocket's other side: whole frames, patience that ends, and good manners.

simple-websocket writes with `send`, which cuts a frame when the peer reads slowly, and from two
threads at once. Here a frame is written whole, one at a time, or the connection ends. What a peer
does, or leaves undone, is its own loss: one that takes nothing is given up, one that floods the
server is read no faster than the others are served.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Sized
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from opcode_htmx.lib.cooperative import TimeSlicer

KEEPALIVE_SECONDS = 15
"""How often the kernel asks whether a silent program's machine is still there."""

BACKLOG = 64
"""Messages of a peer that may wait to be looked at before no more are read."""
BACKLOG_LOOK_SECONDS = 0.05

LINGER_SECONDS = 1.0
LINGER_BYTES = 4_000_000
"""How long, and how much, is still read of a peer after the last word."""


class WebSocketConnection:
    """A socket whose `send` sends everything, and never in the middle of another one's."""

    def __init__(self, inner: socket.socket, patience: float, *, compresses: bool) -> None:
        """`patience`: seconds for which the other side may take nothing of what is sent.

        `compresses`: whether the two sides may have agreed upon compression.
        """
        self.compresses = compresses
        self.unread: Sized = ()
        """What the peer has said and nobody has looked at yet."""
        self._inner = inner
        self._patience: float | None = patience
        self._one = BoundedSemaphore(1)
        self._pace = TimeSlicer()
        inner.settimeout(None)
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            # The same where the other side's machine is gone: nobody acknowledges anything
            inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience * 1000))

    def be_patient(self) -> None:
        """Let a program read as slowly as it likes; only one whose machine is gone is given up."""
        self._patience = None
        self._inner.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sys.platform == "linux":
            # It would count the time in which a program that lives has no room for more
            self._inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)
            self._inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
            self._inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
            self._inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)

    def send(self, data: bytes) -> int:
        """Raises OSError; then the connection is over, if a part of `data` has been sent."""
        with self._one:
            sent = 0
            with contextlib.suppress(BlockingIOError):
                sent = self._inner.send(data, 0, 0.0)  # type: ignore[call-arg]  # gevent's
            if sent < len(data):
                self._send_rest(memoryview(data)[sent:], begun=sent > 0)
        return len(data)

    def _send_rest(self, rest: memoryview, *, begun: bool) -> None:
        try:
            while rest:
                with gevent.Timeout(self._patience, TimeoutError("the peer takes nothing")):
                    sent = self._inner.send(rest)
                begun = begun or sent > 0
                rest = rest[sent:]
        except BaseException:
            if begun:
                self.abort()  # what comes next would be taken for the rest of this frame
            raise

    def recv(self, size: int) -> bytes:
        # A socket with something to read never waits by itself
        self._pace.step()
        while len(self.unread) > BACKLOG:
            gevent.sleep(BACKLOG_LOOK_SECONDS)
        return self._inner.recv(size)

    def close(self) -> None:
        """Let what was said last arrive: to close with something unread would take it back."""
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_WR)
            left = LINGER_BYTES
            with gevent.Timeout(LINGER_SECONDS, TimeoutError()):
                while left > 0 and (data := self._inner.recv(1 << 16)):
                    left -= len(data)
                    self._pace.step()
        self._inner.close()

    def abort(self) -> None:
        """Cut the connection off: whoever reads from it or writes to it is told so."""
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_RDWR)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
