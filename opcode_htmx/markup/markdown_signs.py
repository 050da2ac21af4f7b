"""The signs of Markdown in a part of a text, which an excerpt on one line leaves out.

It finds the usual ones without parsing the whole text: what looks like a sign and is none of these
stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opcode_htmx.lib.late.patterns import late_pattern

Span = tuple[int, int]

_FENCE = late_pattern(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_START = late_pattern(
    r"[ \t]{0,40}(?:>[ \t]?){0,4}"
    r"(?:#{1,6}[ \t]{1,9}|[-*+][ \t]{1,9}(?:\[[ xX]\][ \t]{1,9})?|\|[ \t]{0,9})?"
)
"""Of a line: quotes, a heading, an item, or the first bar of a table."""
_OF_RULERS = " \t|-:*_="
"""A line of nothing else is a ruler, or the second line of a table."""
_LAST_BAR = late_pattern(r"\|[ \t]*+$")
_CODE = late_pattern(r"(?<!`)(`{1,2})(?!`)([^`\n]{1,300})\1(?!`)")
_LINK = re.compile(r"(?<!\w)(!?\[)[^\]\[\n]{1,200}(\]\([^()\s]{1,500}\))")
_PAIRS = (
    re.compile(r"(\*\*)(?=\S)[^*\n]{1,300}(?<=\S)(\*\*)"),
    re.compile(r"(~~)(?=\S)[^~\n]{1,300}(?<=\S)(~~)"),
    re.compile(r"(?<![\w*])(\*)(?=[^\s*])[^*\n]{1,300}(?<=[^\s*])(\*)(?![\w*])"),
)
_AROUND = 300
"""Characters before and behind the part in which the other sign of a pair is looked for."""


def signs(text: str, start: int, end: int) -> list[Span]:
    """The places of signs in `text[start:end]`, in order and without overlaps."""
    first = text.rfind("\n", 0, start) + 1
    first = max(first, start - _AROUND)
    last = text.find("\n", end)
    last = min(len(text) if last < 0 else last, end + _AROUND)
    is_code = len(_FENCE.findall(text, 0, first)) % 2 == 1
    found, position = list[Span](), first
    for line in text[first:last].split("\n"):
        is_whole = not position or text[position - 1] == "\n"
        if is_whole and _FENCE.match(line):
            is_code = not is_code
            found.append((position, position + len(line)))
        elif not is_code:
            found += ((position + a, position + b) for a, b in _of_line(line, is_whole=is_whole))
        position += len(line) + 1
    cut = ((max(a, start), min(b, end)) for a, b in found)
    return [(a, b) for a, b in cut if a < b]


def left_out(text: str, spans: Iterable[Span], start: int, end: int) -> str:
    """`text[start:end]` without these places, which are in order."""
    kept = []
    for first, last in spans:
        if last > start and first < end:
            kept.append(text[start : max(start, first)])
            start = last
    return "".join([*kept, text[start:end]])


def without_signs(text: str) -> str:
    """A text as an excerpt shows it."""
    return left_out(text, signs(text, 0, len(text)), 0, len(text))


def _of_line(line: str, *, is_whole: bool) -> list[Span]:
    """`is_whole`: it has its beginning."""
    found = list[Span]()
    if is_whole and not line.strip(_OF_RULERS):
        return [(0, len(line))]
    if is_whole and (head := _START.match(line)) and head.end():
        found.append(head.span())
        if "|" in head[0] and (bar := _LAST_BAR.search(line, head.end())):
            found.append((len(line[: bar.start()].rstrip()), bar.end()))
    code = list(_CODE.finditer(line))
    found += (span for each in code for span in ((each.start(), each.end(1)), _tail(each)))
    inside = [each.span() for each in code]
    found += (
        span for span in _of_pairs(line) if not any(a < span[1] and span[0] < b for a, b in inside)
    )
    return _in_order(found)


def _tail(code: re.Match[str]) -> Span:
    return code.end() - len(code[1]), code.end()


def _of_pairs(line: str) -> Iterator[Span]:
    for pattern in (_LINK, *_PAIRS):
        for each in pattern.finditer(line):
            yield each.span(1)
            yield each.span(2)


def _in_order(spans: list[Span]) -> list[Span]:
    kept = list[Span]()
    for start, end in sorted(spans):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept
