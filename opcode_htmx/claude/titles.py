"""What a session is called: by the person (`/rename`), by Claude itself, or not at all.

The CLI appends a line to the history file whenever a name is given, and the last one holds. So
does the CLI's own SDK for a session of another process; a Claude that has the session open finds
the line and keeps it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ..disk import DiskFull

_FIELDS = {"custom-title": "customTitle", "ai-title": "aiTitle", "summary": "summary"}
"""The field that holds the name, by the type of the line; the first type counts most."""

LONGEST = 200


def in_entry(entry: Mapping[str, object]) -> dict[str, str]:
    """The name that one history entry gives, by the type of the entry."""
    type_ = entry.get("type")
    name = entry.get(_FIELDS[type_]) if isinstance(type_, str) and type_ in _FIELDS else None
    return {str(type_): name} if isinstance(name, str) else {}


def in_lines(lines: bytes) -> dict[str, str]:
    """The newest names in a stretch of a history file, by the types of their lines."""
    found: dict[str, str] = {}
    for line in lines.splitlines():
        if any(field.encode() in line[:300] for field in _FIELDS.values()):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue  # half a line, or one that only looks like it
            if isinstance(entry, dict):
                found |= in_entry(entry)
    return found


def best(names: Mapping[str, str]) -> str:
    """The name that counts; empty if there is none. One that was taken back is empty."""
    return next((names[type_] for type_ in _FIELDS if names.get(type_, "").strip()), "")


def give(path: Path, session_id: str, name: str) -> None:
    """Call the session `name`, as the CLI does it."""
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
            data = b"\n" + data  # what was cut off in mid-line stays a line of its own
        written = os.write(descriptor, data)
        if written < len(data):
            # half a line would spoil the next one, unless Claude has added that already
            if os.fstat(descriptor).st_size == size + written:
                os.ftruncate(descriptor, size)
            raise DiskFull
    finally:
        os.close(descriptor)
