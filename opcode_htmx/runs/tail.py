"""Read the lines of a file that grows, each once and whole.

Knows bytes and paths only. A cursor is the byte offset behind a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHUNK = 256 * 1024
"""Bytes read at a time: large enough for a flood, small enough not to hold the hub."""


class Line(NamedTuple):
    """One line without its newline, and the offset of the byte behind it in the file."""

    end: int
    data: bytes


class LineReader:
    """Reads a file line by line from an offset, as far as it has been written.

    A half line stays unread until its newline arrives or `last=True` says that none will. Reading
    a line that grows over many calls costs its length once, not at every call.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        """Read `path` from byte `offset`."""
        self._path = path
        self._read_to = offset
        self._end: int | None = None
        self._pending: list[bytes] = []
        self._pending_size = 0
        self.offset = offset
        """The end of the newest line that was given out."""

    def limit(self, end: int | None) -> None:
        """From now on, read no byte at or behind offset `end`."""
        self._end = end

    def read(self, last: bool = False) -> Iterator[Line]:
        """The lines that are complete now; with `last`, also what stands behind the last one."""
        for chunk in self._chunks():
            head, *complete = chunk.split(b"\n")
            if not complete:
                self._keep(head)
                continue
            first = b"".join((*self._pending, head))
            self._pending, self._pending_size = [], 0
            *lines, rest = first, *complete
            for data in lines:
                self.offset += len(data) + 1
                if data.strip():
                    yield Line(self.offset, data)
            self._keep(rest)
        if last and self._pending_size:
            data = b"".join(self._pending)
            self._pending, self._pending_size = [], 0
            self.offset += len(data)
            if data.strip():
                yield Line(self.offset, data)

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pending.append(piece)
            self._pending_size += len(piece)

    def _chunks(self) -> Iterator[bytes]:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self._read_to)
            while True:
                size = CHUNK if self._end is None else min(CHUNK, self._end - self._read_to)
                chunk = file.read(size) if size > 0 else b""
                if not chunk:
                    return
                self._read_to += len(chunk)
                yield chunk
