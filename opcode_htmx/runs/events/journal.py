"""The journal: a folder of numbered files, a line per event, which all workers append to and read.

An event is committed once its line is written. A full file is followed by the next number, and the
oldest ones are removed, so the journal's size on disk is bounded. Handles lines, not their content.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.disk_space import DiskFull, raise_disk_full
from opcode_htmx.runs.model.line_reader import LineReader

FILE_BYTES = 2_000_000
"""The size at which a file is full; some five thousand events."""
KEPT_FILES = 4
LONGEST = 18
"""Characters of a position: its numbers fit into 64 bits."""


class Position(NamedTuple):
    """The number of a file of the journal, and a byte offset in it."""

    number: int
    offset: int

    def __str__(self) -> str:
        return f"{self.number}.{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position in a text; the start of the journal for an invalid one."""
        number, _, offset = text.partition(".")
        digits = number.isascii() and number.isdigit() and offset.isascii() and offset.isdigit()
        return cls(int(number), int(offset)) if digits and len(text) <= LONGEST else cls(0, 0)


class Journal:
    def __init__(self, folder: Path) -> None:
        """Touches no file before the first use."""
        self.folder = folder

    def end(self) -> Position:
        """The position after the last line. Raises OSError."""
        number = max(self._numbers(), default=1)
        try:
            return Position(number, self._path(number).stat().st_size)
        except FileNotFoundError:
            return Position(number, 0)

    @contextlib.contextmanager
    def locked(self) -> Iterator[JournalWriter]:
        """Within this context no one else appends, in any worker. Raises OSError."""
        atomic_files.make_folder(self.folder)
        with file_locks.held(self.folder / "lock"):
            yield JournalWriter(self)

    def lines_after(self, position: Position, last: bool = False) -> Iterator[bytes]:
        """The lines written so far, from `position` or the oldest that remains.

        `last`: also the half line at the end, which the next writer ends with a newline.
        """
        reader = JournalReader(self, position)
        while lines := reader.read(last):
            yield from lines

    def _numbers(self) -> list[int]:
        try:
            stems = [path.stem for path in self.folder.glob("*.ndjson") if path.is_file()]
        except FileNotFoundError:
            return []
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08}.ndjson"


class JournalWriter:
    """Appends while the journal is locked."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, lines: Sequence[bytes]) -> Position:
        """Append these lines; return the position after them. Raises OSError, DiskFull.

        After an error some of them may be written: they stay, as a reader may have read them.
        """
        end, rest = self._journal.end(), list(lines)
        while rest:
            if end.offset >= FILE_BYTES:
                end = Position(end.number + 1, 0)
            count = _count_that_fills(FILE_BYTES - end.offset, rest)
            end = self._write(end.number, rest[:count])
            rest = rest[count:]
        for number in self._journal._numbers()[:-KEPT_FILES]:
            self._journal._path(number).unlink(missing_ok=True)
        return end

    def _write(self, number: int, lines: Sequence[bytes]) -> Position:
        path = self._journal._path(number)
        with raise_disk_full():
            file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                size = os.fstat(file).st_size
                # after a partial line of a killed writer
                cut_off = size > 0 and os.pread(file, 1, size - 1) != b"\n"
                data = b"".join([b"\n" if cut_off else b"", *lines])
                if os.write(file, data) < len(data):
                    raise DiskFull
            finally:
                os.close(file)
        return Position(number, size + len(data))


def _count_that_fills(size: int, lines: Sequence[bytes]) -> int:
    """How many of these lines reach `size` bytes; all of them, if they do not."""
    reached = itertools.accumulate(map(len, lines))
    return next((count for count, end in enumerate(reached, 1) if end >= size), len(lines))


class JournalReader:
    """Reads each new line of the journal once."""

    def __init__(self, journal: Journal, position: Position) -> None:
        self._journal = journal
        self._number = position.number
        self._lines = LineReader(journal._path(position.number), position.offset)

    @property
    def position(self) -> Position:
        return Position(self._number, self._lines.offset)

    def read(self, last: bool = False) -> list[bytes]:
        """The new lines of one of the files, in order; empty if there are none.

        `last`: also the half line at the end.
        """
        while True:
            # checked first: once there is a next file, this one does not change
            later = [number for number in self._journal._numbers() if number > self._number]
            lines = [line.data for line in self._lines.read(last=last or bool(later))]
            if lines or not later:
                return lines
            self._number = later[0]
            self._lines = LineReader(self._journal._path(self._number))
