"""Look at the end of a history: when Claude has said something last, and whether it has cut."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_dict, as_str

_TAIL = 1_000_000
"""Bytes at the end of a history that are looked through."""


def last_words_at(history: Path) -> float:
    """The Unix time of the newest message in a history file; 0 if its end has none."""
    try:
        with history.open("rb") as file:
            file.seek(max(0, history.stat().st_size - _TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return 0.0
    for line in reversed(lines):
        if (b'"assistant"' in line or b'"user"' in line) and (found := _time(line)):
            return found
    return 0.0


def _time(line: bytes) -> float:
    try:
        entry = as_dict(bounded_json.loads(line))
        if entry.get("type") not in ("assistant", "user"):
            return 0.0
        return datetime.fromisoformat(as_str(entry.get("timestamp"))).timestamp()
    except ValueError:
        return 0.0


def has_cut(history: Path, since: int) -> bool:
    """Whether a history file records a cut, behind this byte."""
    try:
        with history.open("rb") as file:
            file.seek(since)
            lines = file.read().split(b"\n")
    except OSError:
        return False
    return any(b"rewound" in line and _is_cut(line) for line in lines)


def _is_cut(line: bytes) -> bool:
    try:
        return as_dict(bounded_json.loads(line)).get("rewound") is True
    except ValueError:
        return False
