"""Find lines in the files of the log, from the newest one backwards."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.logs.log_files import parts
from opcode_htmx.lib.logs.set_up import LEVELS

BLOCK = 256 * 1024
"""Bytes that are read at once."""
MOST_READ = 64 * 1000 * 1000
"""Bytes that one search reads; it goes on from there when it is asked to."""
MAX_LINE = 200_000
"""Bytes of a line; there are no longer ones of ours."""
LATE_SECONDS = 60.0
"""Lines of several processes are this far from the order of their times, at most."""

_CURSOR = late_pattern(r"([0-9]{1,20})-([0-9]{1,15})", re.ASCII)
_KNOWN = frozenset({"time", "level", "logger", "message", "request", "run", "error", "pid"})


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log. `at` is a Unix time; what is not known is empty."""

    at: float
    level: str
    logger: str
    message: str
    request: str
    run: str
    error: str
    pid: int
    fields: dict[str, str | int] = field(default_factory=dict)
    """Further ids, names and numbers."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What is searched for; an empty text and None are no limit."""

    level: str = ""
    """The least one."""
    text: str = ""
    """In the message, the logger or the error, in any case."""
    run: str = ""
    request: str = ""
    since: float | None = None
    until: float | None = None
    cursor: str = ""
    """The cursor of a page, to go on behind it."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines that were found, the newest first."""

    entries: list[LogEntry]
    older: str
    """The cursor of what follows; empty at the end."""
    is_gone: bool = False
    """Whether the place to go on from was removed meanwhile."""


def read(folder: Path, query: LogQuery, limit: int) -> LogPage:
    """The newest `limit` lines that fit. Blocks, and may take a second; for a thread."""
    files, offset = _start(folder, query.cursor)
    if files is None:
        return LogPage([], "", is_gone=True)
    entries: list[LogEntry] = []
    wanted, budget = _Filter(query), MOST_READ
    for inode, begin, line in _newest_first(files, offset):
        budget -= len(line)
        entry = wanted.entry_of(line)
        if entry and entry.at < (query.since or 0.0) - LATE_SECONDS:
            break
        if entry and wanted.fits(entry):
            entries.append(entry)
        if len(entries) >= limit or budget < 0:
            return LogPage(entries, f"{inode}-{begin}")
    return LogPage(entries, "")


def _newest_first(files: Sequence[Path], offset: int | None) -> Iterator[tuple[int, int, bytes]]:
    """The lines of files, the newest first, each with its file's inode and where it begins there.

    `offset` is where to begin in the first file; None: at its end.
    """
    for path in files:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # removed meanwhile, as all older ones are
            return
        with file:
            inode = os.fstat(file.fileno()).st_ino
            for begin, line in _lines_backwards(file, offset):
                yield inode, begin, line
        offset = None


def _start(folder: Path, cursor: str) -> tuple[list[Path] | None, int | None]:
    """The files to read, the newest first, and where to begin in the first of them."""
    files = parts(folder)
    if not cursor:
        return files, None
    match = _CURSOR.fullmatch(cursor)
    for index, path in enumerate(files):
        try:
            if match and path.stat().st_ino == int(match[1]):
                return files[index:], int(match[2])
        except FileNotFoundError:
            continue
    return None, None


def _lines_backwards(file: BinaryIO, end: int | None) -> Iterator[tuple[int, bytes]]:
    """Each whole line before `end`, with the offset of its beginning; the last one first."""
    size = file.seek(0, os.SEEK_END)
    position = size if end is None else min(end, size)
    rest, is_first = b"", True
    while position > 0:
        length = min(BLOCK, position)
        position -= length
        file.seek(position)
        data = file.read(length) + rest
        pieces = data.split(b"\n")
        at = position + len(data)
        for piece in reversed(pieces[1:]):
            at -= len(piece)
            # behind the last line's end is nothing, or a line that is being written
            if piece and not (is_first and end is None):
                yield at, piece
            is_first = False
            at -= 1
        rest = pieces[0]
        if len(rest) > MAX_LINE:  # no line of ours: the file was damaged
            rest = rest[:MAX_LINE]
    if rest and not (is_first and end is None):
        yield 0, rest


class _Filter:
    def __init__(self, query: LogQuery) -> None:
        self._query = query
        least = LEVELS.index(query.level) if query.level in LEVELS else 0
        # A quote in a message is escaped, so these are found in no other place
        self._levels = frozenset({*LEVELS[least:], "critical"}) if least else frozenset()
        self._marks = [f'"level":"{level}"'.encode() for level in self._levels]
        self._ids = [each.encode() for each in (query.run, query.request) if each]
        self._text = query.text.casefold()
        is_plain = self._text.isascii() and self._text.isprintable()
        # As a line has it, unless it has letters that fold into these
        self._plain = self._text.encode() if is_plain and not set(self._text) & {'"', "\\"} else b""

    def entry_of(self, line: bytes) -> LogEntry | None:
        """The entry of a line, None for one that does not fit or is damaged.

        Most lines need no parsing to see that.
        """
        if any(each not in line for each in self._ids):
            return None
        if self._marks and not any(each in line for each in self._marks):
            return None
        if self._plain and self._plain not in line.lower() and b"\\u" not in line:
            return None
        try:
            found = json.loads(line)
            return _entry(found)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def fits(self, entry: LogEntry) -> bool:
        query = self._query
        if self._levels and entry.level not in self._levels:
            return False
        if query.request and entry.request != query.request:
            return False
        if query.since is not None and entry.at < query.since:
            return False
        if query.until is not None and entry.at > query.until:
            return False
        return not self._text or any(
            self._text in each.casefold() for each in (entry.message, entry.logger, entry.error)
        )


def _entry(found: dict[str, Any]) -> LogEntry:
    return LogEntry(
        at=datetime.fromisoformat(found["time"]).timestamp(),
        level=str(found["level"]),
        logger=str(found["logger"]),
        message=str(found["message"]),
        request=str(found.get("request", "")),
        run=str(found.get("run", "")),
        error=str(found.get("error", "")),
        pid=int(found.get("pid", 0)),
        fields={
            str(name): value if isinstance(value, int) else str(value)
            for name, value in found.items()
            if name not in _KNOWN
        },
    )
