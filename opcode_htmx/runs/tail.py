"""Read the lines of a file that grows, each once and whole.

Knows bytes and paths only. A cursor is the byte offset behind a line.
"""

from __future__ import annotations

import contextlib
import os
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
        self._held: int | None = None
        self.offset = offset
        """The end of the newest line that was given out."""

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file open meanwhile, for who reads it many times a second."""
        with contextlib.suppress(FileNotFoundError):
            self._held = os.open(self._path, os.O_RDONLY)
        try:
            yield
        finally:
            file, self._held = self._held, None
            if file is not None:
                os.close(file)

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
            file = os.open(self._path, os.O_RDONLY) if self._held is None else self._held
        except FileNotFoundError:
            return
        try:
            while True:
                size = CHUNK if self._end is None else min(CHUNK, self._end - self._read_to)
                chunk = os.pread(file, size, self._read_to) if size > 0 else b""
                if not chunk:
                    return
                self._read_to += len(chunk)
                yield chunk
        finally:
            if self._held is None:
                os.close(file)
