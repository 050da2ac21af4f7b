"""The output of a terminal on the disk: written by its host, read by any number of viewers.

The newest segments are kept, so the disk that a terminal takes is bounded, whatever it writes.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.pty import records
from opcode_htmx.lib.pty.modes import Modes
from opcode_htmx.lib.pty.records import Damaged, Exit, Kind, Record

FOLDER = "out"
SEGMENT_BYTES = 256 * 1024
MOST_BYTES = SEGMENT_BYTES + 128 * 1024
"""Where a segment ends in any case, also in the middle of an escape sequence."""
KEPT = 8
"""Segments that are kept, with the one that is written."""

_NAME = late_pattern(r"[0-9]{20}", re.ASCII)


class SegmentWriter:
    """Writes the stream of one terminal. Raises OSError, of a full disk for one."""

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self._folder = folder
        self._size = columns, rows
        self.modes = Modes()
        self.offset = 0
        """Where the next record goes."""
        self._descriptor = -1
        self._begun = 0
        folder.mkdir(mode=0o700, exist_ok=True)
        self._begin()

    def data(self, content: bytes) -> None:
        """What the program has written."""
        written = self.offset - self._begun
        if written >= MOST_BYTES or (written >= SEGMENT_BYTES and self.modes.is_between):
            self._begin()
        self._write(records.encode(Kind.DATA, content))
        self.modes.feed(content)

    def size(self, columns: int, rows: int) -> None:
        self._size = columns, rows
        self._write(records.of_size(columns, rows))

    def end(self, status: int, at: float) -> None:
        self._write(records.of_end(status, at))
        os.close(self._descriptor)

    def _begin(self) -> None:
        path = self._folder / f"{self.offset:020d}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._begun = descriptor, self.offset
        restores = self.modes.restores() if self.offset else b""
        self._write(records.of_state(*self._size, restores))
        for start in starts_in(self._folder)[:-KEPT]:
            with contextlib.suppress(OSError):
                (self._folder / f"{start:020d}").unlink()

    def _write(self, record: bytes) -> None:
        """A record that cannot be written as a whole is taken back."""
        done = 0
        try:
            while done < len(record):
                done += os.write(self._descriptor, record[done:])
        except OSError:
            os.ftruncate(self._descriptor, self.offset - self._begun)
            raise
        self.offset += len(record)


class SegmentReader:
    """Reads on from a cursor; knows when what follows is not there any more."""

    def __init__(self, folder: Path, offset: int) -> None:
        """`folder` is that of the segments."""
        self._folder = folder
        self.offset = offset

    def read(self, most: int) -> tuple[list[Record], bool]:
        """The next whole records, of about `most` bytes, and whether there was a gap before them.

        After a gap the first record is a STATE. Raises OSError; Damaged at what is damaged, once
        all before it was read.
        """
        starts = starts_in(self._folder)
        if not starts:
            return [], False
        within = [start for start in starts if start <= self.offset]
        gap = not within
        if gap:
            self.offset = starts[0]
        begin = within[-1] if within else starts[0]
        found = self._records(begin, most)
        if not found:
            later = [start for start in starts if start > begin]
            if later and later[0] == self.offset:
                found = self._records(later[0], most)
        if found:
            self.offset = found[-1].end
        return found, gap

    def segments_ahead(self) -> int:
        """The number of segments that begin behind the cursor. Raises OSError."""
        return sum(start > self.offset for start in starts_in(self._folder))

    def skip_to_newest(self) -> None:
        """Go on at the newest segment."""
        self.offset = max(starts_in(self._folder), default=self.offset)

    def _records(self, begin: int, most: int) -> list[Record]:
        try:
            with (self._folder / f"{begin:020d}").open("rb") as file:
                file.seek(self.offset - begin)
                data = file.read(most)
                found = _before_damage(data, self.offset)
                if not found and len(data) == most:  # a record that is longer than that
                    data += file.read(records.LONGEST)
                    found = _before_damage(data, self.offset)[:1]
        except FileNotFoundError:  # removed meanwhile: the next call finds the gap
            return []
        return found


def _before_damage(data: bytes, offset: int) -> list[Record]:
    """The whole records before what is damaged. Raises Damaged where that comes first."""
    found = list[Record]()
    try:
        found.extend(records.whole_records(data, offset))
    except Damaged:
        if not found:
            raise
    return found


def starts_in(folder: Path) -> list[int]:
    """The offsets at which the kept segments begin. Raises OSError."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names if _NAME.fullmatch(name))


def end_of(folder: Path) -> tuple[int, Exit | None]:
    """The offset behind the newest record, and the end of the terminal if it has ended.

    Raises OSError.
    """
    starts = starts_in(folder)
    if not starts:
        return 0, None
    with (folder / f"{starts[-1]:020d}").open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - records.END_BYTES))
        return starts[-1] + length, records.exit_in(file.read())


def newest_records(folder: Path, most: int) -> Iterator[Record]:
    """The newest records, of about `most` bytes; the first is a STATE. Raises OSError, Damaged."""
    starts, (end, _) = starts_in(folder), end_of(folder)
    first = [start for start in starts if start <= max(0, end - most)][-1:] or starts[:1]
    reader = SegmentReader(folder, first[0] if first else 0)
    while True:
        found, _ = reader.read(1 << 18)
        if not found:
            return
        yield from found


def newest_output(folder: Path, most: int) -> Iterator[bytes]:
    """What the program has written last, about `most` bytes. Raises OSError, Damaged."""
    return (each.content for each in newest_records(folder, most) if each.kind is Kind.DATA)
