"""The records of a terminal's output: what a program wrote, and each size, in one order.

A record is a letter, the length of its content in four bytes, and the content. All records of a
terminal are one stream, and a cursor is an offset in it. The stream lies in segments, files that
are named after their first offset; each begins with the state of the terminal, so that it can be
shown without those before it. Pure, and without imports from outside the standard library: the host
of a terminal is a small process.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.pty.messages import COLUMNS, ROWS, within

HEAD = struct.Struct(">cI")
_SIZE = struct.Struct(">HH")
_END = struct.Struct(">id")
_LATEST = 7_258_118_400.0
"""The year 2200: a later Unix time, or none, is damaged."""
LONGEST = 1 << 20
"""Bytes of a record's content; the host writes shorter ones."""


class Kind(Enum):
    """What a record holds."""

    DATA = b"D"
    """Bytes that the program wrote."""
    SIZE = b"R"
    """The size from here on: columns and rows."""
    STATE = b"S"
    """The size, and the escape sequences that bring a new terminal into the state of this place."""
    END = b"E"
    """The exit status, and the Unix time; nothing follows."""


class Damaged(Exception):
    """What should be a record is none."""


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record; `end` is the offset behind it."""

    kind: Kind
    content: bytes
    end: int

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows, of SIZE and STATE, within what a terminal may have. Raises Damaged."""
        if len(self.content) < _SIZE.size:
            raise Damaged(f"a size of {len(self.content)} bytes")
        columns, rows = _SIZE.unpack_from(self.content)
        return within(columns, COLUMNS), within(rows, ROWS)

    @property
    def restores(self) -> bytes:
        """The escape sequences of STATE."""
        return self.content[_SIZE.size :]


@dataclass(frozen=True, slots=True)
class Exit:
    """How a terminal ended: the program's status (negative: a signal), at a Unix time."""

    status: int
    at: float


def encode(kind: Kind, content: bytes) -> bytes:
    return HEAD.pack(kind.value, len(content)) + content


def of_size(columns: int, rows: int) -> bytes:
    return encode(Kind.SIZE, _SIZE.pack(columns, rows))


def of_state(columns: int, rows: int, restores: bytes) -> bytes:
    return encode(Kind.STATE, _SIZE.pack(columns, rows) + restores)


def of_end(status: int, at: float) -> bytes:
    return encode(Kind.END, _END.pack(status, at))


def whole_records(data: bytes, offset: int) -> Iterator[Record]:
    """The records in `data`, which lies at `offset`; what is cut off at its end is left out.

    Raises Damaged.
    """
    at = 0
    while at + HEAD.size <= len(data):
        letter, length = HEAD.unpack_from(data, at)
        try:
            kind = Kind(letter)
        except ValueError:
            raise Damaged(f"there is no kind {letter!r}") from None
        if length > LONGEST:
            raise Damaged(f"a record of {length} bytes")
        begin = at + HEAD.size
        if begin + length > len(data):
            return
        at = begin + length
        yield Record(kind, data[begin:at], offset + at)


END_BYTES = HEAD.size + _END.size


def exit_in(tail: bytes) -> Exit | None:
    """The end of a terminal, from the last END_BYTES bytes of its stream; None if it has none."""
    if len(tail) != END_BYTES or HEAD.unpack_from(tail) != (Kind.END.value, _END.size):
        return None
    status, at = _END.unpack_from(tail, HEAD.size)
    return Exit(status, at if 0 <= at <= _LATEST else 0.0)
