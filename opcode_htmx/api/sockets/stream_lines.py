"""Stream the output of a session's runs to a socket, at the pace of its client.

There is no queue: what a client has not taken yet stays in the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opcode_htmx.api.service.session_lines import Item, SessionLines
from opcode_htmx.api.sockets.json_socket import JsonWebSocket
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer

BATCH_BYTES = 64 * 1024
"""Frames of a burst are collected up to this size before they are sent."""


def stream_lines(
    wire: JsonWebSocket,
    lines: SessionLines,
    frames: Callable[[Item], Iterable[bytes]],
    goes_on: Callable[[], bool] = lambda: True,
    check_every: float | None = None,
) -> None:
    """Send the frames of each line, as long as the socket is open and `goes_on`.

    `goes_on` is called after each round of reading, and every `check_every` seconds without one.
    The greenlet that receives from the client notices that it has gone. Raises ConnectionClosed.
    """
    while wire.open:
        seen = lines.version
        send(wire, lines.read(), frames)
        if not goes_on():
            return
        lines.wait(seen, check_every)


def send(
    wire: JsonWebSocket, items: Iterable[Item], frames: Callable[[Item], Iterable[bytes]]
) -> None:
    """Send the frames of `items`, many in one write. Raises ConnectionClosed."""
    batch: list[bytes] = []
    size = 0
    slicer = TimeSlicer()
    for item in items:
        for frame in frames(item):
            batch.append(frame)
            size += len(frame)
        if size >= BATCH_BYTES:
            wire.write(batch)
            batch, size = [], 0
        slicer.step()
    if batch:
        wire.write(batch)
