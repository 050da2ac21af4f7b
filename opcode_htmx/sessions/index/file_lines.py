"""The lines of history files as the index reads them: whole ones, single ones, and as entries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import orjson

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.coerce import Json

LONGEST_LINE = history.LONGEST
"""Bytes; a longer line is passed over, as on the page of the session."""
HASHED = 256
"""Bytes in front of a place that identify it."""


def whole_lines(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """The lines that end with a newline before `end`: start, end, and text.

    Of a line that is too long the text is empty.
    """
    while start < end and (line := file.readline(LONGEST_LINE)):
        after, is_long = start + len(line), not line.endswith(b"\n")
        while not line.endswith(b"\n"):
            if not (line := file.readline(LONGEST_LINE)):
                return  # its end is not written yet
            after += len(line)
        yield start, after, b"" if is_long else line
        start = after


def entry_at(path: Path, start: int) -> Json | None:
    """The entry whose line begins at byte `start`; None if there is none. Raises OSError."""
    with path.open("rb") as file:
        file.seek(start)
        return parsed(file.readline(LONGEST_LINE))


def parsed(line: bytes) -> Json | None:
    """A line as an entry; None if it is none."""
    try:
        entry = orjson.loads(line)
    except ValueError:
        entry = _parsed_slowly(line)
    return entry if isinstance(entry, dict) else None


def _parsed_slowly(line: bytes) -> object:
    """For orjson, half a surrogate pair and a huge number are errors; JavaScript writes both."""
    if not line.startswith(b"{"):
        return None
    try:
        return json.loads(line.decode("utf-8", "replace").encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def hash_before(path: Path, place: int) -> str:
    """A hash of the bytes in front of a place in a file. Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(0, place - HASHED))
        return sha256(file.read(min(place, HASHED))).hexdigest()[:16]
