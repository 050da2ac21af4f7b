"""The TCP socket of a WebSocket: whole frames, a write timeout, and backpressure.

simple-websocket writes with `send`, which cuts a frame when the peer reads slowly, and from two
threads at once. Here a frame is written whole, one at a time, or the connection ends. A peer delays
no other: one that reads nothing is disconnected, and one that floods the server is read no faster
than the others are served.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Sized
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from opcode_htmx.lib.concurrency.cooperative import TimeSlicer

KEEPALIVE_SECONDS = 15
"""The interval of the kernel's keepalive probes to a silent program's machine."""

BACKLOG = 64
"""Messages of a peer that may be unhandled before no more are read."""
BACKLOG_POLL_SECONDS = 0.05

LINGER_SECONDS = 1.0
LINGER_BYTES = 4_000_000
"""How long, and how much, is still read from a peer after the last frame."""


def keep_alive(peer: socket.socket) -> None:
    """Have the kernel notice that the machine of a silent peer is gone. Raises OSError."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


class WebSocketConnection:
    """A socket whose `send` sends everything, and never within another `send`."""

    def __init__(self, inner: socket.socket, patience: float, *, compresses: bool) -> None:
        """`patience`: the write timeout in seconds, in which the peer must read something.

        `compresses`: whether the two sides may have negotiated compression.
        """
        self.compresses = compresses
        self.unread: Sized = ()
        """The messages of the peer that are not handled yet."""
        self._inner = inner
        self._patience: float | None = patience
        self._write_lock = BoundedSemaphore(1)
        self._slicer = TimeSlicer()
        inner.settimeout(None)
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            # The same if the peer's machine is gone: nothing is acknowledged
            inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience * 1000))

    def be_patient(self) -> None:
        """Let a program read as slowly as it likes; only one whose machine is gone is dropped."""
        self._patience = None
        if sys.platform == "linux":
            # It would count the time in which a live program's receive window is full
            self._inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)
        keep_alive(self._inner)

    def send(self, data: bytes) -> int:
        """Raises OSError; then the connection is over, if a part of `data` has been sent."""
        with self._write_lock:
            try:
                sent = self._inner.send(data, 0, 0.0)  # type: ignore[call-arg]  # gevent's
            except BlockingIOError:
                sent = 0
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
                self.abort()  # the next frame would be read as the rest of this one
            raise

    def recv(self, size: int) -> bytes:
        # A socket with data to read never yields by itself
        self._slicer.step()
        while len(self.unread) > BACKLOG:
            gevent.sleep(BACKLOG_POLL_SECONDS)
        return self._inner.recv(size)

    def close(self) -> None:
        """Let the last frames arrive: closing with unread data would discard them."""
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_WR)
            left = LINGER_BYTES
            with gevent.Timeout(LINGER_SECONDS, TimeoutError()):
                while left > 0 and (data := self._inner.recv(1 << 16)):
                    left -= len(data)
                    self._slicer.step()
        self._inner.close()

    def abort(self) -> None:
        """Cut the connection off: reads and writes of other greenlets end or fail."""
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_RDWR)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
