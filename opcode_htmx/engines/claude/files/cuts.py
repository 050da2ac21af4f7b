"""Look for the line that records in a history file that the conversation was cut."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_dict


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
