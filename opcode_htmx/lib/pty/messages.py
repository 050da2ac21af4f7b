"""Messages to the host of a terminal, through its two named pipes.

Typed text has a pipe of its own: a program that reads nothing holds it up, and neither a new
size nor the end of the terminal may wait for that. A message is a letter, its length in two bytes,
and the content; it fits into one atomic write, so that any number of processes may write.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

INPUT, CONTROL = "in", "control"
"""The names of the pipes."""

_HEAD = struct.Struct(">cH")
_SIZE = struct.Struct(">HH")
_OFFSET = struct.Struct(">Q")
ATOMIC = 512
"""Bytes that POSIX writes into a pipe at once (PIPE_BUF is at least that; Linux has 4096)."""
LONGEST = ATOMIC - _HEAD.size - 8
"""Bytes of a content beside the viewer's id."""

TYPED, ANSWER, SIZE, SEEN, REDRAW, HANG_UP = b"i", b"q", b"r", b"a", b"w", b"k"
"""Bytes for the program; what a viewer's terminal has answered to a question of the program; a
size; the offset that a viewer has shown; have the program draw its screen again; end the terminal.
"""

VIEWER_BYTES = 8
NO_VIEWER = bytes(VIEWER_BYTES)
"""The id of a sender that types without looking, such as a program."""

COLUMNS, ROWS = (2, 500), (2, 300)
"""The smallest and the largest size."""


def typed(data: bytes, viewer: bytes = NO_VIEWER) -> Iterator[bytes]:
    """The messages that type `data`, each for one write; `viewer` leads from then on."""
    for at in range(0, len(data), LONGEST):
        yield _message(TYPED, viewer + data[at : at + LONGEST])


def answer(data: bytes, viewer: bytes) -> bytes:
    """An answer that a viewer's terminal sends by itself; counts if this viewer leads."""
    return _message(ANSWER, viewer + data[:LONGEST])


def size(columns: int, rows: int, viewer: bytes = NO_VIEWER) -> bytes:
    """Set the size, within its bounds; `viewer` leads from then on."""
    size = _SIZE.pack(within(columns, COLUMNS), within(rows, ROWS))
    return _message(SIZE, viewer + size)


def seen(offset: int) -> bytes:
    return _message(SEEN, _OFFSET.pack(offset))


def redraw() -> bytes:
    return _message(REDRAW, b"")


def hang_up() -> bytes:
    return _message(HANG_UP, b"")


def viewer_in(content: bytes) -> tuple[bytes, bytes]:
    """The id of the viewer, of TYPED, ANSWER and SIZE, and what follows it."""
    return content[:VIEWER_BYTES], content[VIEWER_BYTES:]


def size_in(content: bytes) -> tuple[int, int]:
    """Columns and rows, of SIZE, without the viewer's id."""
    columns, rows = _SIZE.unpack(content)
    return within(columns, COLUMNS), within(rows, ROWS)


def offset_in(content: bytes) -> int:
    """The offset, of SEEN."""
    offset: int = _OFFSET.unpack(content)[0]
    return offset


class MessageReader:
    """Cuts the bytes of a pipe into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The letter and the content of each whole message."""
        self._rest += data
        at = 0
        while at + _HEAD.size <= len(self._rest):
            letter, length = _HEAD.unpack_from(self._rest, at)
            end = at + _HEAD.size + length
            if end > len(self._rest):
                break
            yield letter, self._rest[at + _HEAD.size : end]
            at = end
        self._rest = self._rest[at:]


def _message(letter: bytes, content: bytes) -> bytes:
    return _HEAD.pack(letter, len(content)) + content


def within(value: int, bounds: tuple[int, int]) -> int:
    return max(bounds[0], min(value, bounds[1]))
