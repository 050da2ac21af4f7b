"""Changes to a file as lines of a diff: from Claude's structured patch, or from two texts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from typing import Any

from opcode_htmx.markup import visible_text
from opcode_htmx.markup.spans import Span, merge

CONTEXT_LINES = 3
SHOWN_LINES = 200
"""Lines of a diff that a card shows, whose whole text has an address of its own. The words in the
others are not compared."""
MOST_LINE_STEPS, MOST_WORD_STEPS = 2_000_000, 500_000
"""Comparisons that a diff may take between its lines, and between the words in them. Ordinary ones
take a hundredth of this; made-up ones would take the third power of their length."""
MARKED_LINES = 300
"""Longer stretches of changed lines get no marks inside: nobody reads them word by word."""
MARKED_CHARACTERS = 400
_ALIKE = 0.5
"""Of two lines that have less in common, one is not a version of the other."""

_KINDS = {"+": "add", "-": "del"}
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_COARSE = "⋯ Too much to compare line by line"
_UNMARKED = "⋯ Too much to compare word by word"
"""As short as a line on a phone."""


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
    before, after = _rows(old), _rows(new)
    note: list[DiffLine] = []
    try:
        groups = list(_Matcher(before, after, MOST_LINE_STEPS).get_grouped_opcodes(CONTEXT_LINES))
    except _TooMuch:
        groups, note = [_coarse(before, after)], [DiffLine("gap", _COARSE)]
    hunks = []
    for group in groups:
        _, old_start, _, new_start, _ = group[0]
        start = (old_start + 1, new_start + 1) if whole else (None, None)
        hunks.append(list(_numbered(_lines(group, before, after), start)))
    return note + _joined(hunks)


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


_Step = tuple[str, int, int, int, int]
"""What becomes of lines: equal, replace, delete or insert, `old[a:b]`, `new[c:d]`."""


def _lines(steps: Iterable[_Step], before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    for what, old_start, old_end, new_start, new_end in steps:
        if what == "equal":
            yield from (f" {text}" for text in before[old_start:old_end])
        else:
            yield from (f"-{text}" for text in before[old_start:old_end])
            yield from (f"+{text}" for text in after[new_start:new_end])


def _coarse(before: Sequence[str], after: Sequence[str]) -> list[_Step]:
    """All lines between the first and the last difference as one change."""
    most = min(len(before), len(after))
    first = next((at for at in range(most) if before[at] != after[at]), most)
    rest = range(1, most - first + 1)
    alike = next((at - 1 for at in rest if before[-at] != after[-at]), most - first)
    old_end, new_end = len(before) - alike, len(after) - alike
    return [
        ("equal", max(0, first - CONTEXT_LINES), first, max(0, first - CONTEXT_LINES), first),
        ("replace", first, old_end, first, new_end),
        ("equal", old_end, old_end + CONTEXT_LINES, new_end, new_end + CONTEXT_LINES),
    ]


class _TooMuch(Exception):
    """A comparison takes more steps than it may."""


class _Matcher(difflib.SequenceMatcher[str]):
    """Counts its steps before it takes them. Raises _TooMuch."""

    def __init__(
        self, old: Sequence[str], new: Sequence[str], most: int, *, autojunk: bool = True
    ) -> None:
        super().__init__(None, old, new, autojunk)
        self.left = most
        places: dict[str, list[int]] = self.b2j  # type: ignore[attr-defined]
        costs = (1 + len(places.get(each, ())) for each in old)
        self._costs = [0, *accumulate(costs)]

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        self.left -= self._costs[-1 if ahi is None else ahi] - self._costs[alo]
        if self.left < 0:
            raise _TooMuch
        return super().find_longest_match(alo, ahi, blo, bhi)


def _joined(hunks: list[list[DiffLine]]) -> list[DiffLine]:
    """The hunks with a gap between each two, and with their words marked."""
    lines: list[DiffLine] = []
    for hunk in hunks:
        if lines:
            lines.append(DiffLine("gap", "⋯"))
        lines += hunk
    return lines if _mark(lines) else [DiffLine("gap", _UNMARKED), *lines]


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


def _mark(lines: list[DiffLine]) -> bool:
    """Mark the words in lines that replace others: the first added the first removed, and so on.

    False if that was too much to compare: then some are not marked.
    """
    at, left = 0, MOST_WORD_STEPS
    while at < min(len(lines), SHOWN_LINES):
        middle = _end_of(lines, at, "del")
        end = _end_of(lines, middle, "add")
        if at < middle < end and end - at <= MARKED_LINES:
            for old, new in zip(range(at, middle), range(middle, end), strict=False):
                try:
                    lines[old], lines[new], left = _marked(lines[old], lines[new], left)
                except _TooMuch:
                    return False
        at = max(end, at + 1)
    return True


def _end_of(lines: list[DiffLine], at: int, kind: str) -> int:
    while at < len(lines) and lines[at].kind == kind:
        at += 1
    return at


def _marked(old: DiffLine, new: DiffLine, most: int) -> tuple[DiffLine, DiffLine, int]:
    """Both lines with their marks, and what is left of `most` steps. Raises _TooMuch."""
    if max(len(old.text), len(new.text)) > MARKED_CHARACTERS:
        return old, new, most
    before, after = _WORD.findall(old.text[1:]), _WORD.findall(new.text[1:])
    matcher = _Matcher(before, after, most, autojunk=False)
    steps = matcher.get_opcodes()
    same = sum(len("".join(before[a:b]).strip()) for tag, a, b, _, _ in steps if tag == "equal")
    longer = max(len(old.text[1:].strip()), len(new.text[1:].strip()))
    if same < _ALIKE * longer or all(tag == "equal" for tag, *_ in steps):
        return old, new, matcher.left
    return (
        replace(old, marks=_spans((tag, before[a:b]) for tag, a, b, _, _ in steps)),
        replace(new, marks=_spans((tag, after[a:b]) for tag, _, _, a, b in steps)),
        matcher.left,
    )


def _spans(steps: Iterable[tuple[str, list[str]]]) -> tuple[Span, ...]:
    return merge(Span("" if tag == "equal" else "m", "".join(words)) for tag, words in steps)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
