"""Show what a text hides: direction marks, invisible characters, and long runs of blanks.

For commands, paths, rules and names, which must read as what they are. Every such character becomes
an escape such as `⟨U+202E⟩`, every long run a mark such as `⋯ 400 blanks`. Prose keeps its
characters. All of it takes time linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.lib.cooperative import run_cpu_in_thread
from opcode_htmx.markup.markdown import with_spans

MOST_BLANKS = 20
"""Blanks in a row that are shown as they are."""
MOST_EMPTY_LINES = 2
"""Empty lines in a row that are shown as they are."""
ALIGNED_BLANKS = 40
"""The mark of a run of spaces up to this width is as wide as the run: columns stay aligned."""
SHORT = 10_000
"""Characters of a text that takes a few milliseconds, whatever is in it."""
MOST_PIECES = 4000
"""A text with more of them is shown without spans, which would take too long to make."""

_BLANK = "\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_UNSEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for the tab and the line feed
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # fillers, Arabic letter mark
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # widths, joiners, directions, line separators
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"  # blanks that are symbols, selectors
    "\ud800-\udfff"  # halves of surrogate pairs, and bytes of file names that are no UTF-8
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags
)
_HIDDEN = re.compile(f"[{_UNSEEN}]")
_RUN = re.compile(rf"([{_UNSEEN}])\1*")
LONG_GAP = re.compile(f"[{_BLANK}]{{{MOST_BLANKS + 1},}}")
"""A run of blanks that is shown as a mark."""
_BLANK_SIGNS = "\t \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_PRESENTATION = "\ufe0e\ufe0f"
"""Whether a symbol is shown as text or as an emoji."""
_KEYCAP = "\u20e3"
_JOINED_SCRIPTS = ((0x0600, 0x109F), (0x1780, 0x18AA), (0xA840, 0xAAFF))
"""Scripts whose letters joiners join and part: Arabic, the Indic ones and their neighbours."""


class Piece(NamedTuple):
    """A stretch of a text as it is shown. `kind`: empty, `unseen` for an escape, `gap` for a run.

    `raw` is what it stands for.
    """

    kind: str
    text: str
    raw: str


def pieces(
    text: str,
    *,
    lines: bool = False,
    joined: bool = False,
    blanks: bool = True,
    widest: int = MOST_BLANKS,
) -> Iterator[Piece]:
    """The text with its hidden characters as pieces of their own.

    `lines`: line feeds stay, instead of being shown as ↵. `joined`: joiners between emoji, or in
    scripts that need them, stay. `blanks`: runs of more than two empty lines, and of more than
    `widest` blanks, become marks.
    """
    shown = _with_gaps(text, widest) if blanks else [Piece("", text, text)]
    for piece in shown:
        if piece.kind:
            yield piece
        else:
            yield from _with_escapes(piece.text, lines=lines, joined=joined)


def visible(
    text: object, lines: bool = False, joined: bool = False, blanks: bool = True
) -> str | Markup:
    """The text for a page, as `pieces` has it; each mark is a span that says what it stands for.

    Others have their turn while it is a long one.
    """
    if isinstance(text, Markup):
        return text
    plain = str(text)
    if not _is_hiding(plain, lines=lines, blanks=blanks):
        return plain
    found = _pieces(plain, lines, joined, blanks, MOST_BLANKS)
    if len(found) > MOST_PIECES:
        return "".join(piece.text for piece in found)
    merged = _merged(found)
    return with_spans((kind, _codes(raw) if kind else "", shown) for kind, shown, raw in merged)


def visible_text(
    text: object,
    lines: bool = False,
    joined: bool = False,
    blanks: bool = True,
    widest: int = MOST_BLANKS,
) -> str:
    """The same without spans, for attributes and for what is no page."""
    plain = str(text)
    if not _is_hiding(plain, lines=lines, blanks=blanks):
        return plain
    return "".join(piece.text for piece in _pieces(plain, lines, joined, blanks, widest))


def _pieces(text: str, lines: bool, joined: bool, blanks: bool, widest: int) -> list[Piece]:
    def found() -> list[Piece]:
        return list(pieces(text, lines=lines, joined=joined, blanks=blanks, widest=widest))

    return found() if len(text) <= SHORT else run_cpu_in_thread(found)


def mark(text: str, raw: str) -> Markup:
    """A mark that stands for `raw`."""
    return with_spans([("gap", _codes(raw), text)])


def install(environment: Environment) -> None:
    """Add the filters `visible` and `visible_text`."""
    environment.filters["visible"] = visible
    environment.filters["visible_text"] = visible_text


def is_blank(line: str) -> bool:
    """Whether nothing of a line is seen, although it may hold blanks."""
    return not line.strip(_BLANK_SIGNS)


def empty_lines(count: int) -> str:
    """The mark of a run of empty lines."""
    return f"⋯ {count:,} empty lines"


def _is_hiding(text: str, *, lines: bool, blanks: bool) -> bool:
    if _HIDDEN.search(text) or (not lines and "\n" in text):
        return True
    return blanks and bool(text.count("\n") > MOST_EMPTY_LINES or LONG_GAP.search(text))


def _with_gaps(text: str, widest: int) -> Iterator[Piece]:
    """The text, with its long runs of empty lines and of blanks as marks."""
    if text.count("\n") <= MOST_EMPTY_LINES:
        yield from _with_blank_runs(text, widest)
        return
    begun = False
    for is_empty, run in groupby(text.split("\n"), is_blank):
        rows = list(run)
        if begun:
            yield Piece("", "\n", "\n")
        begun = True
        if is_empty and len(rows) > MOST_EMPTY_LINES:
            yield Piece("gap", empty_lines(len(rows)), "\n".join(rows))
        else:
            yield from _with_blank_runs("\n".join(rows), widest)


def _with_blank_runs(text: str, widest: int) -> Iterator[Piece]:
    at = 0
    for found in LONG_GAP.finditer(text):
        if found.end() - found.start() <= widest:
            continue
        if found.start() > at:
            yield Piece("", text[at : found.start()], text[at : found.start()])
        at = found.end()
        count = at - found.start()
        mark = f"⋯ {count:,} blanks"
        is_aligned = count <= ALIGNED_BLANKS and found[0].count(" ") == count
        yield Piece("gap", mark.ljust(count) if is_aligned else mark, found[0])
    if at < len(text):
        yield Piece("", text[at:], text[at:])


def _with_escapes(text: str, *, lines: bool, joined: bool) -> Iterator[Piece]:
    at = 0
    for found in _RUN.finditer(text):
        if _is_harmless(text, found, joined=joined):
            continue
        if found.start() > at:
            yield from _rows(text[at : found.start()], lines=lines)
        at = found.end()
        yield Piece("unseen", _escape(found[1], at - found.start()), found[0])
    if at < len(text):
        yield from _rows(text[at:], lines=lines)


def _rows(text: str, *, lines: bool) -> Iterator[Piece]:
    if lines or "\n" not in text:
        yield Piece("", text, text)
        return
    first, *more = text.split("\n")
    if first:
        yield Piece("", first, first)
    for row in more:
        yield Piece("unseen", "↵", "\n")
        if row:
            yield Piece("", row, row)


def _escape(sign: str, count: int) -> str:
    times = f" ×{count:,}" if count > 1 else ""
    return f"⟨U+{ord(sign):04X}{times}⟩"


def _is_harmless(text: str, found: re.Match[str], *, joined: bool) -> bool:
    """Whether the character does what it is for, and hides nothing."""
    if found.end() - found.start() > 1:
        return False
    sign = found[1]
    begin, end = found.span()
    before, after = text[max(0, begin - 1) : begin], text[end : end + 1]
    if sign in _PRESENTATION:
        return _is_symbol(before) or (before.isascii() and after == _KEYCAP)
    if not joined or sign not in (_ZWJ, _ZWNJ):
        return False
    if sign == _ZWJ and _is_symbol(after):
        return _is_symbol(before) or before == "\ufe0f"
    return _is_joined(before) and _is_joined(after)


def _is_symbol(sign: str) -> bool:
    """Whether it may be an emoji: no symbol of ASCII, which also means something in a command."""
    return bool(sign) and not sign.isascii() and unicodedata.category(sign) in {"So", "Sm", "Sk"}


def _is_joined(sign: str) -> bool:
    return bool(sign) and any(first <= ord(sign) <= last for first, last in _JOINED_SCRIPTS)


def _merged(found: Iterable[Piece]) -> Iterator[Piece]:
    """Neighbours of one kind as one piece, so that a row of escapes is one span."""
    for kind, run in groupby(found, lambda piece: piece.kind):
        rows = list(run)
        text, raw = "".join(row.text for row in rows), "".join(row.raw for row in rows)
        yield Piece(kind, text, raw)


def _codes(text: str) -> str:
    """A text as the numbers of its characters, so that a page can copy it: `a*59 20`."""
    runs = ((sign, sum(1 for _ in run)) for sign, run in groupby(text))
    return " ".join(f"{ord(sign):x}" + (f"*{count}" if count > 1 else "") for sign, count in runs)
