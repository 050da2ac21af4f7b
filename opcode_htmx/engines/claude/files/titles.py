"""The title of a session: by the person (`/rename`), by Claude itself, or none.

The CLI appends a line to the history file whenever a name is given, and the last one holds. So
does the CLI's own SDK for a session of another process; a Claude that has the session open finds
the line and keeps it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.late.patterns import late_pattern

_FIELDS = {"custom-title": "customTitle", "ai-title": "aiTitle"}
"""The field that holds the name, by the type of the line; the first type counts most."""
_KEYS = tuple(name.encode() for name in (*_FIELDS.values(), "summary"))
_KEY = late_pattern(b"|".join(_KEYS))
_ENDINGS = b'Title"', b'"summary"'
"""What the lines with names contain, and most others do not."""
KEY_WITHIN = 300
"""Bytes at the beginning of a line in which the CLI writes the field of a name."""
_ID = late_pattern(r"[A-Za-z0-9-]{1,64}")

LONGEST = 200
MOST_SUMMARIES = 100
PIECE = 1024 * 1024
MOST_SEARCHED = 64 * PIECE
"""Bytes of a history file that are searched for the entry that a summary is about."""


def _lines_with(text: bytes, lines: bytes) -> Iterator[tuple[int, int]]:
    """Where the lines begin and end that contain a text, the last first.

    To split all lines takes four times as long, and `find` half as long again as `rfind`.
    """
    found = lines.rfind(text)
    while found >= 0:
        begin, end = lines.rfind(b"\n", 0, found) + 1, lines.find(b"\n", found)
        yield begin, len(lines) if end < 0 else end
        found = lines.rfind(text, 0, begin)


class Names:
    """The names in the lines of one history file, as far as they were read."""

    __slots__ = ("_given", "_summaries")  # thousands are kept

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._summaries: dict[str, str] = {}
        """By the uuid of the entry that each is about, the newest last."""

    def copy(self) -> Names:
        copied = Names()
        copied._given.update(self._given)
        copied._summaries.update(self._summaries)
        return copied

    def take(self, entry: Mapping[str, object]) -> None:
        """Add an entry, in the order of the file."""
        match entry:
            case {"type": "summary", "summary": str(name), "leafUuid": str(leaf)}:
                if _ID.fullmatch(leaf):
                    self._summaries.pop(leaf, None)
                    self._summaries[leaf] = name
            case {"type": str(type_)} if type_ in _FIELDS:
                given = entry.get(_FIELDS[type_])
                if isinstance(given, str):
                    self._given[type_] = given
            case _:
                pass

    def take_lines(self, lines: bytes) -> None:
        """Add the entries in a stretch of the file."""
        for begin, end in sorted({place for key in _ENDINGS for place in _lines_with(key, lines)}):
            if _KEY.search(lines, begin, min(end, begin + KEY_WITHIN)):
                entry = history.entry_in(lines[begin:end])
                if entry is not None:  # else half a line, or one that only looks like it
                    self.take(entry)

    def best(self, path: Path) -> str:
        """The effective name; empty if there is none, or if it was removed.

        Older versions of the CLI wrote summaries of other sessions into a file, too: one counts
        only if the entry that it is about is in this file, `path`.
        """
        given = next((self._given[type_] for type_ in _FIELDS if self._has(type_)), "")
        newest = list(reversed(self._summaries))[:MOST_SUMMARIES]
        if given or not newest:
            return given
        here = _entries_in(path, newest)
        return next((self._summaries[leaf] for leaf in newest if leaf in here), "")

    def _has(self, type_: str) -> bool:
        return bool(self._given.get(type_, "").strip())


def _entries_in(path: Path, uuids: Sequence[str]) -> set[str]:
    """Which of these are the uuids of entries of the file."""
    pattern = _naming(uuids)
    overlap, before, found, pace = 100, b"", set[str](), TimeSlicer()
    with path.open("rb") as file:
        while file.tell() < MOST_SEARCHED and (piece := file.read(PIECE)):
            found |= {match[1].decode() for match in pattern.finditer(before + piece)}
            if len(found) == len(uuids):
                break
            before = piece[-overlap:]
            pace.step()
    return found


def _naming(uuids: Sequence[str]) -> re.Pattern[bytes]:
    """Entries that have one of these uuids, which are plain letters and digits."""
    any_of = b"|".join(uuid.encode() for uuid in uuids)
    return re.compile(rb'"uuid": ?"(' + any_of + rb')"')


def set_title(path: Path, session_id: str, name: str) -> None:
    """Set the title of the session, as the CLI does it."""
    append(path, line(session_id, name))


def line(session_id: str, name: str) -> bytes:
    entry = {"type": "custom-title", "customTitle": name, "sessionId": session_id}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def append(path: Path, data: bytes) -> None:
    """Add whole lines in one write, because Claude may be writing too. Makes no new file."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data  # half a line that was cut off stays a line of its own
        written = os.write(descriptor, data)
        if written < len(data):
            # half a line would break the next one, unless Claude has added that already
            if os.fstat(descriptor).st_size == size + written:
                os.ftruncate(descriptor, size)
            raise DiskFull
    finally:
        os.close(descriptor)
