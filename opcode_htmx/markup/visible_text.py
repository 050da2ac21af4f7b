"""Make hidden characters of a text visible: direction marks, invisible ones, long runs of blanks.

For commands, paths, rules and names, which must not look like something else. Each such character
becomes an escape such as `⟨U+202E⟩`, each long run a placeholder such as `⋯ 400 blanks`. Prose
keeps its characters. All functions take time linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.invisible import INVISIBLE

MOST_BLANKS = 20
"""Blanks in a row that are shown unchanged."""
MOST_EMPTY_LINES = 2
"""Empty lines in a row that are shown unchanged."""
ALIGNED_BLANKS = 40
"""Placeholders for runs of spaces up to this width are as wide as the run, to keep columns."""
SHORT = 10_000
"""Characters of a text that takes a few milliseconds in the worst case; a longer one takes a
thread."""
MOST_PIECES = 4000
"""A text with more pieces is shown without spans, which would take too long to make."""

_BLANK = "\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_HIDDEN = late_pattern(f"[{INVISIBLE}]")
_RUN = late_pattern(rf"([{INVISIBLE}])\1*")
LONG_GAP = late_pattern(f"[{_BLANK}]{{{MOST_BLANKS + 1},}}")
"""A run of blanks that is shown as a placeholder."""
_BLANK_CHARACTERS = "\t \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_PRESENTATION = "\ufe0e\ufe0f"
"""Variation selectors: a symbol as text or as an emoji."""
_KEYCAP = "\u20e3"
_JOINED_SCRIPTS = ((0x0600, 0x109F), (0x1780, 0x18AA), (0xA840, 0xAAFF))
"""Scripts that use joiners between letters: Arabic, the Indic ones and their neighbours."""


class Piece(NamedTuple):
    """A piece of a shown text. `kind`: empty, `unseen` for an escape, `gap` for a placeholder.

    `raw` is the original text.
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
    most_blanks: int = MOST_BLANKS,
) -> Iterator[Piece]:
    """Split the text into pieces; hidden characters become pieces of their own.

    `lines`: line feeds stay, instead of being shown as ↵. `joined`: joiners between emoji, or in
    scripts that need them, stay. `blanks`: runs of more than MOST_EMPTY_LINES empty lines, and of
    more than `most_blanks` blanks, become placeholders.
    """
    shown = _with_gaps(text, most_blanks) if blanks else [Piece("", text, text)]
    for piece in shown:
        if piece.kind:
            yield piece
        else:
            yield from _with_escapes(piece.text, lines=lines, joined=joined)


def visible(
    text: object, lines: bool = False, joined: bool = False, blanks: bool = True
) -> str | Markup:
    """The text for a page; escapes and placeholders are spans that carry the original text.

    The options are those of `pieces`. Markup is returned unchanged. Long text is read in a thread.
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
    return _with_spans((kind, _codes(raw) if kind else "", shown) for kind, shown, raw in merged)


def visible_text(
    text: object,
    lines: bool = False,
    joined: bool = False,
    blanks: bool = True,
    most_blanks: int = MOST_BLANKS,
) -> str:
    """The same without spans, for attributes and for plain text."""
    plain = str(text)
    if not _is_hiding(plain, lines=lines, blanks=blanks):
        return plain
    return "".join(piece.text for piece in _pieces(plain, lines, joined, blanks, most_blanks))


def _pieces(text: str, lines: bool, joined: bool, blanks: bool, most_blanks: int) -> list[Piece]:
    def find() -> list[Piece]:
        return list(
            pieces(text, lines=lines, joined=joined, blanks=blanks, most_blanks=most_blanks)
        )

    return find() if len(text) <= SHORT else run_cpu_in_thread(find)


def placeholder(text: str, raw: str) -> Markup:
    """The span of a placeholder `text` for the original text `raw`."""
    return _with_spans([("gap", _codes(raw), text)])


def _with_spans(pieces: Iterable[tuple[str, str, str]]) -> Markup:
    # with the first text that needs it: a start loads no Markdown
    from opcode_htmx.markup.markdown import with_spans

    return with_spans(pieces)


def install(environment: Environment) -> None:
    """Add the filters `visible` and `visible_text`."""
    environment.filters["visible"] = visible
    environment.filters["visible_text"] = visible_text


def is_blank(line: str) -> bool:
    """Whether a line is empty or holds only blanks."""
    return not line.strip(_BLANK_CHARACTERS)


def empty_lines(count: int) -> str:
    """The text of the placeholder for a run of empty lines."""
    return f"⋯ {count:,} empty lines"


def _is_hiding(text: str, *, lines: bool, blanks: bool) -> bool:
    if _HIDDEN.search(text) or (not lines and "\n" in text):
        return True
    return blanks and bool(text.count("\n") > MOST_EMPTY_LINES or LONG_GAP.search(text))


def _with_gaps(text: str, most_blanks: int) -> Iterator[Piece]:
    """The text, with its long runs of empty lines and of blanks as placeholders."""
    if text.count("\n") <= MOST_EMPTY_LINES:
        yield from _with_blank_runs(text, most_blanks)
        return
    is_first = True
    for is_empty, group in groupby(text.split("\n"), is_blank):
        lines = list(group)
        if not is_first:
            yield Piece("", "\n", "\n")
        is_first = False
        if is_empty and len(lines) > MOST_EMPTY_LINES:
            yield Piece("gap", empty_lines(len(lines)), "\n".join(lines))
        else:
            yield from _with_blank_runs("\n".join(lines), most_blanks)


def _with_blank_runs(text: str, most_blanks: int) -> Iterator[Piece]:
    position = 0
    for run in LONG_GAP.finditer(text):
        if run.end() - run.start() <= most_blanks:
            continue
        if run.start() > position:
            yield Piece("", text[position : run.start()], text[position : run.start()])
        position = run.end()
        count = position - run.start()
        label = f"⋯ {count:,} blanks"
        is_aligned = count <= ALIGNED_BLANKS and run[0].count(" ") == count
        yield Piece("gap", label.ljust(count) if is_aligned else label, run[0])
    if position < len(text):
        yield Piece("", text[position:], text[position:])


def _with_escapes(text: str, *, lines: bool, joined: bool) -> Iterator[Piece]:
    position = 0
    for run in _RUN.finditer(text):
        if _is_harmless(text, run, joined=joined):
            continue
        if run.start() > position:
            yield from _with_line_feeds(text[position : run.start()], lines=lines)
        position = run.end()
        yield Piece("unseen", _escape(run[1], position - run.start()), run[0])
    if position < len(text):
        yield from _with_line_feeds(text[position:], lines=lines)


def _with_line_feeds(text: str, *, lines: bool) -> Iterator[Piece]:
    if lines or "\n" not in text:
        yield Piece("", text, text)
        return
    first, *others = text.split("\n")
    if first:
        yield Piece("", first, first)
    for line in others:
        yield Piece("unseen", "↵", "\n")
        if line:
            yield Piece("", line, line)


def _escape(character: str, count: int) -> str:
    times = f" ×{count:,}" if count > 1 else ""
    return f"⟨U+{ord(character):04X}{times}⟩"


def _is_harmless(text: str, run: re.Match[str], *, joined: bool) -> bool:
    """Whether the character serves its purpose there, and hides nothing."""
    if run.end() - run.start() > 1:
        return False
    character = run[1]
    start, end = run.span()
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if character in _PRESENTATION:
        return _is_symbol(before) or (before.isascii() and after == _KEYCAP)
    if not joined or character not in (_ZWJ, _ZWNJ):
        return False
    if character == _ZWJ and _is_symbol(after):
        return _is_symbol(before) or before == "\ufe0f"
    return _is_joined(before) and _is_joined(after)


def _is_symbol(character: str) -> bool:
    """Whether this may be an emoji; not an ASCII symbol, which has a meaning in commands."""
    if not character or character.isascii():
        return False
    return unicodedata.category(character) in {"So", "Sm", "Sk"}


def _is_joined(character: str) -> bool:
    return bool(character) and any(
        first <= ord(character) <= last for first, last in _JOINED_SCRIPTS
    )


def _merged(found: Iterable[Piece]) -> Iterator[Piece]:
    """Join neighbours of one kind, so that a row of escapes becomes one span."""
    for kind, group in groupby(found, lambda piece: piece.kind):
        run = list(group)
        text, raw = "".join(piece.text for piece in run), "".join(piece.raw for piece in run)
        yield Piece(kind, text, raw)


def _codes(text: str) -> str:
    """The code points of a text in hexadecimal, for copying from a page: `a*59 20`."""
    runs = ((each, sum(1 for _ in group)) for each, group in groupby(text))
    return " ".join(f"{ord(each):x}" + (f"*{count}" if count > 1 else "") for each, count in runs)
