"""Pass what a session's runs write on to a socket, at the pace of the client that reads it.

There is no queue: what a client has not taken yet stays in the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opcode_htmx.api.service.session_lines import Item, SessionLines
from opcode_htmx.api.sockets.json_socket import JsonWebSocket
from opcode_htmx.lib.cooperative import TimeSlicer

BATCH_BYTES = 64 * 1024
"""How much is gathered of a burst before it is sent."""


def stream_lines(
    wire: JsonWebSocket,
    lines: SessionLines,
    frames: Callable[[Item], Iterable[bytes]],
    goes_on: Callable[[], bool] = lambda: True,
    look_round: float | None = None,
) -> None:
    """Send what `frames` makes of each line, as long as the socket is open and `goes_on`.

    That is asked behind each round of reading, and every `look_round` seconds without one. A
    client that goes is noticed by who reads what it says. Raises ConnectionClosed.
    """
    while wire.open:
        seen = lines.version
        send(wire, lines.read(), frames)
        if not goes_on():
            return
        lines.wait(seen, look_round)


def send(
    wire: JsonWebSocket, items: Iterable[Item], frames: Callable[[Item], Iterable[bytes]]
) -> None:
    """Send what `frames` makes of `items`, many at a time. Raises ConnectionClosed."""
    batch: list[bytes] = []
    size = 0
    pace = TimeSlicer()
    for item in items:
        for frame in frames(item):
            batch.append(frame)
            size += len(frame)
        if size >= BATCH_BYTES:
            wire.write(batch)
            batch, size = [], 0
        pace.step()
    if batch:
        wire.write(batch)
