"""Changes to a file as lines of a diff: from Claude's structured patch, or from two texts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from . import visible_text
from .spans import Span, merge

CONTEXT_LINES = 3
SHOWN_LINES = 200
"""Lines that a card shows; the whole text has an address of its own."""
MARKED_LINES = 300
"""Longer stretches of changed lines get no marks inside: nobody reads them word by word."""
MARKED_CHARACTERS = 400
_ALIKE = 0.5
"""Of two lines that have less in common, one is not a version of the other."""

_KINDS = {"+": "add", "-": "del"}
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)")


@dataclass(frozen=True, slots=True)
class DiffLine:
    kind: str
    """add, del, ctx, or gap: lines that are left out."""
    text: str
    """With its sign, as in a diff."""
    old: int | None = None
    new: int | None = None
    """The numbers of the line in the file before and after, where they are known."""
    marks: tuple[Span, ...] = ()
    """The text without its sign, with `m` on the words that changed; empty: nothing is marked."""
    left_out: str = ""
    """The texts of the lines that this one stands for, if it is the mark of a run of them."""


def from_patch(patch: object) -> list[DiffLine]:
    """The lines of a `structuredPatch`: a list of hunks with starts, counts and lines."""
    if not isinstance(patch, list):
        return []
    hunks = (list(_hunk(hunk)) for hunk in patch if isinstance(hunk, dict))
    return _joined([hunk for hunk in hunks if hunk])


def between(old: str, new: str, *, whole: bool = False) -> list[DiffLine]:
    """The lines that turn `old` into `new`; they are numbered if these are `whole` files."""
    lines = difflib.unified_diff(_rows(old), _rows(new), lineterm="", n=CONTEXT_LINES)
    hunks: list[list[str]] = []
    starts: list[tuple[int | None, int | None]] = []
    for number, text in enumerate(lines):
        if number < 2:  # the names of the files
            continue
        if hunk := _HUNK.match(text):
            hunks.append([])
            starts.append((int(hunk[1]), int(hunk[2])) if whole else (None, None))
        else:
            hunks[-1].append(text)
    return _joined([list(_numbered(*each)) for each in zip(hunks, starts, strict=True)])


def count(lines: Iterable[DiffLine]) -> tuple[int, int]:
    """How many lines are added and how many removed."""
    kinds = [line.kind for line in lines]
    return kinds.count("add"), kinds.count("del")


def without_empty_runs(lines: Iterable[DiffLine]) -> list[DiffLine]:
    """The lines, with a mark in the place of each long run of empty ones of one kind."""
    shown: list[DiffLine] = []
    for (kind, is_empty), run in groupby(lines, lambda line: (line.kind, _is_empty(line))):
        rows = list(run)
        if is_empty and len(rows) > visible_text.MOST_EMPTY_LINES:
            mark = rows[0].text[:1] + visible_text.empty_lines(len(rows))
            raw = "\n".join(row.text[1:] for row in rows)
            shown.append(DiffLine(kind, mark, rows[0].old, rows[0].new, left_out=raw or "\n"))
        else:
            shown += rows
    return shown


def _is_empty(line: DiffLine) -> bool:
    return line.kind != "gap" and visible_text.is_blank(line.text[1:])


def _rows(text: str) -> list[str]:
    """The lines of a text. Only a line feed ends one: `str.splitlines` hides other characters."""
    rows = text.split("\n")
    return rows if rows[-1] else rows[:-1]


def number_width(lines: Iterable[DiffLine]) -> int:
    """How many digits the numbers of these lines have; 0 if there are none."""
    numbers = [number for line in lines for number in (line.old, line.new) if number is not None]
    return len(str(max(numbers))) if numbers else 0


def _joined(hunks: list[list[DiffLine]]) -> list[DiffLine]:
    """The hunks with a gap between each two, and with their words marked."""
    lines: list[DiffLine] = []
    for hunk in hunks:
        if lines:
            lines.append(DiffLine("gap", "⋯"))
        lines += hunk
    _mark(lines)
    return lines


def _hunk(hunk: dict[str, Any]) -> Iterator[DiffLine]:
    lines = hunk.get("lines")
    if isinstance(lines, list):
        start = _number(hunk.get("oldStart")), _number(hunk.get("newStart"))
        yield from _numbered([text for text in lines if isinstance(text, str)], start)


def _numbered(lines: Iterable[str], start: tuple[int | None, int | None]) -> Iterator[DiffLine]:
    old, new = start
    for text in lines:
        kind = _KINDS.get(text[:1], "ctx")
        if text.startswith("\\"):  # "No newline at end of file" is no line of it
            yield DiffLine(kind, text)
            continue
        yield DiffLine(kind, text, None if kind == "add" else old, None if kind == "del" else new)
        if old is not None and kind != "add":
            old += 1
        if new is not None and kind != "del":
            new += 1


# --- the words that changed -----------------------------------------------------------------


def _mark(lines: list[DiffLine]) -> None:
    """Mark the words in lines that replace others: the first added the first removed, and so on."""
    at = 0
    while at < len(lines):
        middle = _end_of(lines, at, "del")
        end = _end_of(lines, middle, "add")
        if at < middle < end and end - at <= MARKED_LINES:
            for old, new in zip(range(at, middle), range(middle, end), strict=False):
                lines[old], lines[new] = _marked(lines[old], lines[new])
        at = max(end, at + 1)


def _end_of(lines: list[DiffLine], at: int, kind: str) -> int:
    while at < len(lines) and lines[at].kind == kind:
        at += 1
    return at


def _marked(old: DiffLine, new: DiffLine) -> tuple[DiffLine, DiffLine]:
    if max(len(old.text), len(new.text)) > MARKED_CHARACTERS:
        return old, new
    before, after = _WORD.findall(old.text[1:]), _WORD.findall(new.text[1:])
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    steps = matcher.get_opcodes()
    same = sum(len("".join(before[a:b]).strip()) for tag, a, b, _, _ in steps if tag == "equal")
    longer = max(len(old.text[1:].strip()), len(new.text[1:].strip()))
    if same < _ALIKE * longer or all(tag == "equal" for tag, *_ in steps):
        return old, new
    return (
        replace(old, marks=_spans((tag, before[a:b]) for tag, a, b, _, _ in steps)),
        replace(new, marks=_spans((tag, after[a:b]) for tag, _, _, a, b in steps)),
    )


def _spans(steps: Iterable[tuple[str, list[str]]]) -> tuple[Span, ...]:
    return merge(Span("" if tag == "equal" else "m", "".join(words)) for tag, words in steps)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
