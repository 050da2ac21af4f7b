"""Colour the lines of a diff: by the syntax of the file, with changed words marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.diffs import Line
from opcode_htmx.markup import diff, highlight
from opcode_htmx.markup.diff import DiffLine
from opcode_htmx.markup.spans import Span, lines_of, merge

MOST_LINE = 2000
"""Characters of a line that are shown."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line with its colours."""

    kind: str
    sign: str
    spans: tuple[Span, ...]
    """The text without its sign. A style is one or two classes; `m` is on changed words."""
    old: int | None
    new: int | None
    name: str
    """Its index in its hunk."""
    left_out: int = 0
    """The number of characters that are not shown."""
    ends_file: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """A file before and after, as far as it was read: its lines are coloured in their context."""

    name: str
    old: bytes = b""
    new: bytes = b""


def shown_lines(lines: Sequence[Line], contents: Contents) -> Iterator[ShownLine]:
    """The lines of a hunk. Takes long; to be called in a thread."""
    is_dos = bool(lines) and all(line.raw.endswith(b"\r") for line in lines)
    texts = [_text(line, is_dos) for line in lines]
    marked = [
        DiffLine(line.kind, line.raw[:1].decode() + text[:MOST_LINE], line.old, line.new)
        for line, text in zip(lines, texts, strict=True)
    ]
    diff.mark_words(marked)
    coloured = _in_context(marked, contents)
    for line, text, mark, spans in zip(lines, texts, marked, coloured, strict=True):
        yield ShownLine(
            line.kind,
            mark.text[:1],
            overlaid(spans, mark.marks) if mark.marks else spans,
            line.old,
            line.new,
            str(line.index),
            max(0, len(text) - MOST_LINE),
            line.ends_file,
        )


def _text(line: Line, is_dos: bool) -> str:
    raw = line.raw[1:].removesuffix(b"\r") if is_dos else line.raw[1:]
    return raw.decode("utf-8", "replace")


def _in_context(lines: Sequence[DiffLine], contents: Contents) -> list[tuple[Span, ...]]:
    """The spans of each line as they are in the file, or else by the hunk alone.

    A hunk that begins within a comment or a text would look like the opposite of it.
    """
    found: list[tuple[Span, ...] | None] = [None] * len(lines)
    for content, kinds in ((contents.new, ("add", "ctx")), (contents.old, ("del",))):
        numbers = [line.old if kinds == ("del",) else line.new for line in lines]
        wanted = [index for index, line in enumerate(lines) if line.kind in kinds]
        if not wanted or not content:
            continue
        text = content.decode("utf-8", "replace")
        spans = highlight.file_lines(text, contents.name, max(numbers[i] or 0 for i in wanted))
        for index in wanted:
            number = numbers[index] or 0
            if 0 < number <= len(spans) and _plain(spans[number - 1]) == lines[index].text[1:]:
                found[index] = spans[number - 1]
    if None not in found:
        return [each or () for each in found]
    alone = _coloured(lines, contents.name)
    return [kept or other for kept, other in zip(found, alone, strict=True)]


def _plain(spans: Iterable[Span]) -> str:
    return "".join(each.text for each in spans)


def _coloured(lines: Sequence[DiffLine], name: str) -> list[tuple[Span, ...]]:
    """The spans of each line. The old and the new side are each coloured as one text."""
    found: list[tuple[Span, ...]] = [(Span("", line.text[1:]),) for line in lines]
    for kinds in (("del", "ctx"), ("add", "ctx")):
        for chunk in _chunks(lines, kinds):
            if kinds[0] == "del" and all(lines[index].kind == "ctx" for index in chunk):
                continue
            text = "\n".join(lines[index].text[1:] for index in chunk)
            spans = lines_of(highlight.file(text, name).spans)
            if len(spans) == len(chunk):
                for index, each in zip(chunk, spans, strict=True):
                    found[index] = each
    return found


def _chunks(lines: Sequence[DiffLine], kinds: Iterable[str]) -> Iterator[list[int]]:
    """The indices of the lines of some kinds, in runs that are short enough to be coloured."""
    chunk, size = list[int](), 0
    for index, line in enumerate(lines):
        if line.kind not in kinds:
            continue
        if chunk and size + len(line.text) > highlight.PIECE:
            yield chunk
            chunk, size = [], 0
        chunk.append(index)
        size += len(line.text)
    if chunk:
        yield chunk


def overlaid(spans: Sequence[Span], marks: Sequence[Span]) -> tuple[Span, ...]:
    """Spans with the styles of both; the texts of both are the same."""
    result = []
    under, over = list(reversed(spans)), list(reversed(marks))
    while under and over:
        lower, upper = under.pop(), over.pop()
        length = min(len(lower.text), len(upper.text))
        style = " ".join(filter(None, (lower.style, upper.style)))
        result.append(Span(style, lower.text[:length]))
        if len(lower.text) > length:
            under.append(Span(lower.style, lower.text[length:]))
        if len(upper.text) > length:
            over.append(Span(upper.style, upper.text[length:]))
    return merge([*result, *reversed(under)])
