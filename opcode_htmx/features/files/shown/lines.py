"""A part of a text file as numbered, coloured lines. A long file is shown in parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree import text
from opcode_htmx.markup import highlight
from opcode_htmx.markup.spans import Span, lines_of

PART_LINES = 500
PART_BYTES = 2_000_000
LONGEST_LINE = 1_000
"""Characters of a line that are shown."""
WHOLE = 2_000_000
"""Bytes of a file that is decoded as a whole; of a longer one only the part that is shown is."""
MOST_COUNTED = 512_000_000
"""Bytes in which lines are counted; the rest is not shown."""
_BLOCK = 1_000_000
MOST_COLOURED = 150_000
"""Characters of one part; each chunk may take a quarter of a second of a CPU."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `left_out` characters of it are not shown."""

    number: int
    spans: tuple[Span, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class TextPart:
    """Some lines of a file. Lines are numbered from 1."""

    lines: list[Line]
    total: int
    encoding: str
    line_ends: str
    """`CRLF`, `CR`, `mixed` or empty; looked at in the part only if the file is long."""
    note: str = ""
    """Why it has no colours."""
    is_partial: bool = False
    """Whether the file is too long to count its lines."""
    ends_in_line_feed: bool = True

    @property
    def first(self) -> int:
        return self.lines[0].number if self.lines else 1

    @property
    def last(self) -> int:
        return self.lines[-1].number if self.lines else 0


@dataclass(frozen=True, slots=True)
class _Raw:
    lines: list[str]
    start: int
    total: int
    encoding: str
    line_ends: str
    is_partial: bool = False
    ends_in_line_feed: bool = True


def part(file: BinaryIO, size: int, name: str, line: int) -> TextPart | None:
    """The part of a text file that holds a line; None if it is no text after all."""
    raw = run_in_thread(_read, file, size, max(1, line))
    if raw is None:
        return None
    cut = [each[:LONGEST_LINE] for each in raw.lines]
    spans, note = _coloured(cut, name)
    lines = [
        Line(raw.start + number, each, len(raw.lines[number]) - len(cut[number]))
        for number, each in enumerate(spans)
    ]
    return TextPart(
        lines, raw.total, raw.encoding, raw.line_ends, note, raw.is_partial, raw.ends_in_line_feed
    )


def _read(file: BinaryIO, size: int, line: int) -> _Raw | None:
    if size <= WHOLE:
        return _from_whole(file.read(WHOLE + 1) or b"", line)
    head = file.read(text.HEAD) or b""
    encoding, bom = text.encoding_of(head)
    if bom and encoding != "utf-8":
        return None  # a line feed is two bytes there
    file.seek(0)
    start, offset, total, is_partial = _find(file, _first_of_part(line))
    file.seek(offset)
    content = file.read(PART_BYTES) or b""
    found = content.decode(encoding, "replace")
    lines = _lines(found)
    if len(lines) > 1 and len(content) == PART_BYTES:
        lines.pop()  # which is cut
    label = text.LABELS[encoding]
    ends = text.Decoded(found[:100_000], encoding).line_ends
    return _Raw(lines[:PART_LINES], start, max(total, start), label, ends, is_partial)


def _from_whole(content: bytes, line: int) -> _Raw | None:
    found = text.decode(content)
    if found is None:
        return None
    all_lines = _lines(found.text)
    start = min(_first_of_part(line), _first_of_part(len(all_lines)))
    lines = all_lines[start - 1 : start - 1 + PART_LINES]
    ended = not found.text or found.text[-1] in "\r\n"
    label = text.LABELS[found.encoding] + (" with a byte order mark" if found.bom else "")
    return _Raw(lines, start, len(all_lines), label, found.line_ends, ends_in_line_feed=ended)


def _first_of_part(line: int) -> int:
    return (max(1, line) - 1) // PART_LINES * PART_LINES + 1


def _lines(found: str) -> list[str]:
    lines = text.normalized(found).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _find(file: BinaryIO, line: int) -> tuple[int, int, int, bool]:
    """Where a line begins: its number, its offset, the number of lines, and whether those are all.

    If there are fewer lines, it is the last part.
    """
    before = position = 0  # line feeds and bytes before a block
    last_end = True
    starts: list[tuple[int, int]] = [(1, 0)]
    while position < MOST_COUNTED and (block := file.read(_BLOCK)):
        count = block.count(b"\n")
        number, at = before + 1, -1  # the line that the block begins within, and its start
        wanted = starts[-1][0] + PART_LINES
        while wanted <= min(line, before + 1 + count):
            while number < wanted:
                number, at = number + 1, block.index(b"\n", at + 1)
            starts.append((wanted, position + at + 1))
            wanted += PART_LINES
        before += count
        position += len(block)
        last_end = block.endswith(b"\n")
    is_partial = position >= MOST_COUNTED
    total = before if last_end else before + 1
    found = starts[-1] if starts[-1][0] <= max(1, total) else starts[-2]
    return *found, total, is_partial


def _coloured(lines: list[str], name: str) -> tuple[list[tuple[Span, ...]], str]:
    """The spans of each line, and why there are no colours."""
    found: list[tuple[Span, ...]] = []
    note, left = "", MOST_COLOURED
    for chunk in _chunks(lines):
        text_ = "\n".join(chunk)
        left -= len(text_)
        shown = highlight.file(text_, name if left > 0 else "")
        note = note or shown.note
        found += lines_of(shown.spans)
    return found, note


def _chunks(lines: list[str]) -> Iterator[list[str]]:
    """The lines in pieces that can be coloured; a piece ends before an empty line if it can."""
    chunk: list[str] = []
    length = 0
    for each in lines:
        can_end = length > highlight.PIECE * 0.8 and not each.strip()
        if chunk and (can_end or length + len(each) > highlight.PIECE):
            yield chunk
            chunk, length = [], 0
        chunk.append(each)
        length += len(each) + 1
    if chunk:
        yield chunk
