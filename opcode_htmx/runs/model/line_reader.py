"""Read the lines of a file that grows, each once and whole.

Knows bytes and paths only. A cursor is the byte offset behind a line.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import OrderedDict
from collections.abc import Iterator
from operator import length_hint
from pathlib import Path
from typing import NamedTuple

import gevent

from opcode_htmx.engines.long_line import long_line

FIRST_CHUNK = 32 * 1024
"""Bytes that are read first: memory for more comes from the kernel and goes back to it, which takes
forty times as long as reading a line does."""
CHUNK = 256 * 1024
"""Bytes read at a time after those: enough for a flood, too few to block the event loop."""

CHUNKS_PER_YIELD = 16

_NO_LINES: Iterator[bytes] = iter(())

_longest = 24_000_000


def keep_lines_up_to(size: int) -> None:
    """Set the longest line, in bytes, that the readers of this process keep.

    All readers have the same limit, so that a line is the same live, later and from history.
    """
    global _longest
    _longest = size


def longest_line() -> int:
    """The longest line, in bytes, that the readers of this process keep."""
    return _longest


class Line(NamedTuple):
    """One line without its newline, and the offset of the byte behind it in the file."""

    end: int
    data: bytes


class KeptFiles:
    """Descriptors for reading, by path, those used last: opening a file costs more than a line.

    For files that are appended to and never replaced. `close` has to be called for one that is
    removed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def descriptor(self, path: str) -> int:
        """That of the file at `path`, valid until other greenlets run. Raises OSError."""
        found = self._open.get(path)
        if found is not None:
            self._open.move_to_end(path)
            return found
        opened = self._open[path] = os.open(path, os.O_RDONLY)
        if len(self._open) > self._most:
            _, oldest = self._open.popitem(last=False)
            os.close(oldest)
        return opened

    def close(self, path: str) -> None:
        """Keep the file at `path` open no longer."""
        found = self._open.pop(path, None)
        if found is not None:
            os.close(found)


class LineReader:
    """Reads a file line by line from an offset, as far as it has been written.

    A half line stays unread until its newline arrives, or `last=True` means that none will. Reading
    a line that grows over many calls costs its length once, not at every call. A line that is too
    long is not kept but replaced by one of ours, see `long_line`.
    """

    def __init__(
        self,
        path: Path,
        offset: int = 0,
        longest: float | None = None,
        kept: KeptFiles | None = None,
    ) -> None:
        """Read `path` from byte `offset`, lines up to `longest` bytes; None: the common limit.

        `kept` keeps the file open between two calls, until `let_go`.
        """
        self._path = os.fspath(path)  # a Path takes four times the memory
        self._read_to = offset
        self._longest = _longest if longest is None else longest
        self._end: int | None = None
        self._ready = _NO_LINES
        """Whole lines that were read but not returned, where a caller has stopped in between."""
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._kept = kept
        self._kept_open: int | None = None
        self.offset = offset
        """The end of the newest line that was returned."""

    @contextlib.contextmanager
    def keep_open(self) -> Iterator[None]:
        """Keep the file open meanwhile, for a caller that reads many times a second."""
        with contextlib.suppress(FileNotFoundError):
            self._kept_open = os.open(self._path, os.O_RDONLY)
        try:
            yield
        finally:
            file, self._kept_open = self._kept_open, None
            if file is not None:
                os.close(file)

    def let_go(self) -> None:
        """Keep the file open no longer: nothing more will be written."""
        if self._kept is not None:
            self._kept.close(self._path)
            self._kept = None

    def seek(self, offset: int) -> None:
        """Continue at byte `offset`."""
        self.offset = self._read_to = offset
        self._ready, self._pending, self._pending_size = _NO_LINES, [], 0

    def has_unread(self) -> bool:
        """Whether there is something to read: cheaper than reading nothing."""
        if length_hint(self._ready):
            return True
        try:
            return os.stat(self._path).st_size > self._read_to  # noqa: PTH116 - asked very often
        except OSError:
            return False

    def limit(self, end: int | None) -> None:
        """From now on, read no byte at or behind offset `end`."""
        self._end = end

    def read(self, last: bool = False) -> Iterator[Line]:
        """The lines that are complete now; with `last`, also the half line at the end.

        Nothing is lost if this is not read to its end.
        """
        yield from self._whole_lines()
        for chunk in self._chunks():
            if not self._pending_size and chunk.find(b"\n") == len(chunk) - 1 <= self._longest:
                # one line and no more, as most are: half the cost of the general way
                self.offset += len(chunk)
                if not chunk.isspace():
                    yield Line(self.offset, chunk[:-1])
                continue
            head, *whole = chunk.split(b"\n")
            self._keep(head)
            if not whole:
                continue
            rest = whole.pop()
            line = self._take(newline=1)
            self._keep(rest)
            self._ready = iter(whole)
            if line:
                yield line
            yield from self._whole_lines()
        if last and self._pending_size and (line := self._take(newline=0)):
            yield line

    def _whole_lines(self) -> Iterator[Line]:
        for data in self._ready:
            begin = self.offset
            self.offset += len(data) + 1
            if len(data) > self._longest:
                yield Line(self.offset, long_line(begin, len(data)))
            elif data.strip():
                yield Line(self.offset, data)

    def _keep(self, piece: bytes) -> None:
        self._pending_size += len(piece)
        if self._pending_size > self._longest:
            self._pending = []
        elif piece:
            self._pending.append(piece)

    def _take(self, newline: int) -> Line | None:
        """The pending bytes as a line; None if it is blank."""
        begin, size = self.offset, self._pending_size
        self.offset += size + newline
        data = long_line(begin, size) if size > self._longest else b"".join(self._pending)
        self._pending, self._pending_size = [], 0
        return Line(self.offset, data) if data.strip() else None

    def _chunks(self) -> Iterator[bytes]:
        kept_open = self._kept_open
        opened: int | None = None
        try:
            for count in itertools.count(1):
                if kept_open != self._kept_open:
                    return  # closed meanwhile: the descriptor may be another file's by now
                if kept_open is not None:
                    file = kept_open
                elif self._kept is not None:
                    file = self._kept.descriptor(self._path)
                else:
                    file = opened = os.open(self._path, os.O_RDONLY) if opened is None else opened
                most = FIRST_CHUNK if count == 1 else CHUNK
                size = most if self._end is None else min(most, self._end - self._read_to)
                chunk = os.pread(file, size, self._read_to) if size > 0 else b""
                if not chunk:
                    return
                self._read_to += len(chunk)
                yield chunk
                if len(chunk) < size:
                    return
                if count % CHUNKS_PER_YIELD == 0:
                    gevent.sleep(0)
        except FileNotFoundError:
            return
        finally:
            if opened is not None:
                os.close(opened)
