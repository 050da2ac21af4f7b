"""Changes to a file as lines of a diff: from Claude's structured patch, or from two texts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

CONTEXT_LINES = 3
_KINDS = {"+": "add", "-": "del", "@": "hunk"}


@dataclass(frozen=True, slots=True)
class DiffLine:
    kind: str
    """add, del, ctx or hunk."""
    text: str


def from_patch(patch: object) -> list[DiffLine]:
    """The lines of a `structuredPatch`: a list of hunks with starts, counts and lines."""
    if not isinstance(patch, list):
        return []
    return [line for hunk in patch if isinstance(hunk, dict) for line in _hunk(hunk)]


def between(old: str, new: str) -> list[DiffLine]:
    """The lines that turn `old` into `new`, without file names."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=CONTEXT_LINES)
    return [_line(text) for number, text in enumerate(lines) if number > 1]


def count(lines: Iterable[DiffLine]) -> tuple[int, int]:
    """How many lines are added and how many removed."""
    kinds = [line.kind for line in lines]
    return kinds.count("add"), kinds.count("del")


def _hunk(hunk: dict[str, Any]) -> Iterator[DiffLine]:
    names = ("oldStart", "oldLines", "newStart", "newLines")
    start, count, new_start, new_count = (_number(hunk.get(name)) for name in names)
    old, new = f"{start},{count}", f"{new_start},{new_count}"
    yield DiffLine("hunk", f"@@ -{old} +{new} @@")
    lines = hunk.get("lines")
    if isinstance(lines, list):
        yield from (_line(text) for text in lines if isinstance(text, str))


def _line(text: str) -> DiffLine:
    return DiffLine(_KINDS.get(text[:1], "ctx"), text)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
