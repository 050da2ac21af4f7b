"""Make the lines of a diff, from Claude's structured patch or from two texts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, groupby
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup import visible_text
from opcode_htmx.markup.spans import Span, merge

CONTEXT_LINES = 3
SHOWN_LINES = 200
"""Lines of a diff that a card shows; the whole diff has a URL of its own. Words in the other lines
are not compared."""
MOST_LINE_STEPS, MOST_WORD_STEPS = 2_000_000, 500_000
"""Limits on the comparisons between lines, and between words. Ordinary diffs take a hundredth of
them; for adversarial ones the number grows with the third power of their length."""
MARKED_LINES = 300
"""In longer runs of changed lines the changed words are not marked: nobody reads them by word."""
MARKED_CHARACTERS = 400
"""The same for a longer line."""
_SIMILARITY = 0.5
"""The share of common text from which on a line counts as a version of another."""

_KINDS = {"+": "add", "-": "del"}
_WORD = late_pattern(r"\w+|\s+|[^\w\s]")
_NO_LINE_DIFF = "⋯ Too much to compare line by line"
_NO_WORD_DIFF = "⋯ Too much to compare word by word"
"""Both fit into a line on a phone."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    kind: str
    """add, del, ctx (context), or gap for omitted lines."""
    text: str
    """With its sign: +, - or space."""
    old: int | None = None
    new: int | None = None
    """The line numbers before and after, if known."""
    marks: tuple[Span, ...] = ()
    """The text without its sign, style `m` on the changed words; empty if none are marked."""
    left_out: str = ""
    """The texts of the empty lines that this line replaces, if it does."""


def from_patch(patch: object) -> list[DiffLine]:
    """The diff of a `structuredPatch`: a list of hunks with starts, counts and lines.

    Parts of a wrong shape are skipped.
    """
    if not isinstance(patch, list):
        return []
    hunks = (list(_hunk(hunk)) for hunk in patch if isinstance(hunk, dict))
    return _joined([hunk for hunk in hunks if hunk])


def between(old: str, new: str, *, whole: bool = False) -> list[DiffLine]:
    """The diff from `old` to `new`; with line numbers if these are `whole` files."""
    before, after = _split_lines(old), _split_lines(new)
    note: list[DiffLine] = []
    try:
        groups = list(_Matcher(before, after, MOST_LINE_STEPS).get_grouped_opcodes(CONTEXT_LINES))
    except _TooManySteps:
        groups, note = [_as_one_change(before, after)], [DiffLine("gap", _NO_LINE_DIFF)]
    hunks = []
    for group in groups:
        _, old_start, _, new_start, _ = group[0]
        start = (old_start + 1, new_start + 1) if whole else (None, None)
        hunks.append(list(_numbered(_signed_lines(group, before, after), start)))
    return note + _joined(hunks)


def count(lines: Iterable[DiffLine]) -> tuple[int, int]:
    """The numbers of added and of removed lines."""
    kinds = [line.kind for line in lines]
    return kinds.count("add"), kinds.count("del")


def without_empty_runs(lines: Iterable[DiffLine]) -> list[DiffLine]:
    """The lines, with one line in place of each long run of empty lines of one kind."""
    result: list[DiffLine] = []
    for (kind, is_empty), group in groupby(lines, lambda line: (line.kind, _is_empty(line))):
        run = list(group)
        if is_empty and len(run) > visible_text.MOST_EMPTY_LINES:
            text = run[0].text[:1] + visible_text.empty_lines(len(run))
            raw = "\n".join(line.text[1:] for line in run)
            result.append(DiffLine(kind, text, run[0].old, run[0].new, left_out=raw or "\n"))
        else:
            result += run
    return result


def _is_empty(line: DiffLine) -> bool:
    return line.kind != "gap" and visible_text.is_blank(line.text[1:])


def _split_lines(text: str) -> list[str]:
    """The lines of a text, split at line feeds only: `str.splitlines` would remove other signs."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def number_width(lines: Iterable[DiffLine]) -> int:
    """The number of digits of the largest line number; 0 if the lines have no numbers."""
    numbers = [number for line in lines for number in (line.old, line.new) if number is not None]
    return len(str(max(numbers))) if numbers else 0


_Opcode = tuple[str, int, int, int, int]
"""As in difflib: equal, replace, delete or insert; then a, b, c, d for `old[a:b]`, `new[c:d]`."""


def _signed_lines(
    opcodes: Iterable[_Opcode], before: Sequence[str], after: Sequence[str]
) -> Iterator[str]:
    for tag, old_start, old_end, new_start, new_end in opcodes:
        if tag == "equal":
            yield from (f" {text}" for text in before[old_start:old_end])
        else:
            yield from (f"-{text}" for text in before[old_start:old_end])
            yield from (f"+{text}" for text in after[new_start:new_end])


def _as_one_change(before: Sequence[str], after: Sequence[str]) -> list[_Opcode]:
    """All lines from the first to the last difference as one change."""
    shorter = min(len(before), len(after))
    first = next((index for index in range(shorter) if before[index] != after[index]), shorter)
    rest = range(1, shorter - first + 1)
    same_at_end = next(
        (back - 1 for back in rest if before[-back] != after[-back]), shorter - first
    )
    old_end, new_end = len(before) - same_at_end, len(after) - same_at_end
    return [
        ("equal", max(0, first - CONTEXT_LINES), first, max(0, first - CONTEXT_LINES), first),
        ("replace", first, old_end, first, new_end),
        ("equal", old_end, old_end + CONTEXT_LINES, new_end, new_end + CONTEXT_LINES),
    ]


class _TooManySteps(Exception):
    """A comparison takes more steps than allowed."""


class _Matcher(difflib.SequenceMatcher[str]):
    """A SequenceMatcher that counts steps before it takes them. Raises _TooManySteps."""

    def __init__(
        self, old: Sequence[str], new: Sequence[str], max_steps: int, *, autojunk: bool = True
    ) -> None:
        super().__init__(None, old, new, autojunk)
        self.steps_left = max_steps
        positions: dict[str, list[int]] = self.b2j  # type: ignore[attr-defined]
        costs = (1 + len(positions.get(each, ())) for each in old)
        self._costs = [0, *accumulate(costs)]

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        self.steps_left -= self._costs[-1 if ahi is None else ahi] - self._costs[alo]
        if self.steps_left < 0:
            raise _TooManySteps
        return super().find_longest_match(alo, ahi, blo, bhi)


def _joined(hunks: list[list[DiffLine]]) -> list[DiffLine]:
    """The hunks with gaps in between, and with their changed words marked."""
    lines: list[DiffLine] = []
    for hunk in hunks:
        if lines:
            lines.append(DiffLine("gap", "⋯"))
        lines += hunk
    return lines if mark_words(lines) else [DiffLine("gap", _NO_WORD_DIFF), *lines]


def _hunk(hunk: dict[str, Any]) -> Iterator[DiffLine]:
    lines = hunk.get("lines")
    if isinstance(lines, list):
        start = _number(hunk.get("oldStart")), _number(hunk.get("newStart"))
        yield from _numbered([text for text in lines if isinstance(text, str)], start)


def _numbered(lines: Iterable[str], start: tuple[int | None, int | None]) -> Iterator[DiffLine]:
    old, new = start
    for text in lines:
        kind = _KINDS.get(text[:1], "ctx")
        if text.startswith("\\"):  # "\ No newline at end of file" is not a line of the file
            yield DiffLine(kind, text)
            continue
        yield DiffLine(kind, text, None if kind == "add" else old, None if kind == "del" else new)
        if old is not None and kind != "add":
            old += 1
        if new is not None and kind != "del":
            new += 1


# --- changed words --------------------------------------------------------------------------


def mark_words(lines: list[DiffLine]) -> bool:
    """Mark the changed words, comparing the first added line with the first removed, and so on.

    False if there was too much to compare: then some lines are not marked.
    """
    index, steps_left = 0, MOST_WORD_STEPS
    while index < min(len(lines), SHOWN_LINES):
        middle = _end_of(lines, index, "del")
        end = _end_of(lines, middle, "add")
        if index < middle < end and end - index <= MARKED_LINES:
            for old, new in zip(range(index, middle), range(middle, end), strict=False):
                try:
                    lines[old], lines[new], steps_left = _mark_pair(
                        lines[old], lines[new], steps_left
                    )
                except _TooManySteps:
                    return False
        index = max(end, index + 1)
    return True


def _end_of(lines: list[DiffLine], index: int, kind: str) -> int:
    """The index after the run of lines of one kind that begins at `index`."""
    while index < len(lines) and lines[index].kind == kind:
        index += 1
    return index


def _mark_pair(old: DiffLine, new: DiffLine, max_steps: int) -> tuple[DiffLine, DiffLine, int]:
    """Both lines with their marks, and the steps left of `max_steps`. Raises _TooManySteps."""
    if max(len(old.text), len(new.text)) > MARKED_CHARACTERS:
        return old, new, max_steps
    before, after = _WORD.findall(old.text[1:]), _WORD.findall(new.text[1:])
    matcher = _Matcher(before, after, max_steps, autojunk=False)
    opcodes = matcher.get_opcodes()
    same = sum(len("".join(before[a:b]).strip()) for tag, a, b, _, _ in opcodes if tag == "equal")
    longer = max(len(old.text[1:].strip()), len(new.text[1:].strip()))
    if same < _SIMILARITY * longer or all(tag == "equal" for tag, *_ in opcodes):
        return old, new, matcher.steps_left
    return (
        replace(old, marks=_spans((tag, before[a:b]) for tag, a, b, _, _ in opcodes)),
        replace(new, marks=_spans((tag, after[a:b]) for tag, _, _, a, b in opcodes)),
        matcher.steps_left,
    )


def _spans(tagged: Iterable[tuple[str, list[str]]]) -> tuple[Span, ...]:
    return merge(Span("" if tag == "equal" else "m", "".join(words)) for tag, words in tagged)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
