"""Cut a paragraph, or code, that grows into pieces, each of which is rendered and sent once.

Only the last piece is open; where the others end follows from the text before, so that it does not
depend on how the text arrived. A paragraph is cut at ends of sentences, and only where every
emphasis, link and piece of code before is closed: the pieces one after the other are the HTML of
the whole.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from markupsafe import Markup, escape

from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, run_cpu_in_thread
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.addresses.places import OF_SESSION
from opcode_htmx.markup.growing.emphasis import closed
from opcode_htmx.markup.growing.openings import openings
from opcode_htmx.markup.markdown import SHORT, code_lines, inline, inline_tokens
from opcode_htmx.markup.markdown_parser import FENCE_LINES

log = logging.getLogger(__name__)

MOST_WHOLE = 400
"""Characters; a shorter text is one piece, which is sent anew when it grows."""
SHORTEST = 120
"""Characters of a piece, at least."""
LONG = 400
"""Characters; a longer piece of a paragraph ends behind any word, not only behind a sentence."""
UNBROKEN = 200
"""Characters beyond those without a place to cut, as in some scripts: then it is cut in a word."""
UNCLOSED = 2_000
"""Characters; from here on a paragraph is cut although something in it is not closed. Nobody reads
an emphasis or the text of a link as long as this."""

NEVER = sys.maxsize
"""Higher than any revision."""

_SENTENCE = late_pattern(r"[.!?:;…][)\"”’'»]* (?=[^\W_])|[。！？](?=[^\W_])")
_SENTENCE_END = late_pattern(r"[。！？]")
_WORD = late_pattern(r" (?=[^\W_])")
"""What follows is a letter or a digit, which means nothing in Markdown."""
_IN_WORD = late_pattern(r"(?<=[^\W_\x00-\x7f])(?=[^\W_\x00-\x7f])|(?<=[^\W_]{20})(?=[^\W_]{20})")
"""A place in a word where no address begins: those of links, and their schemes, are shorter."""
_NOT_APART = late_pattern(r"[:@/]|[&#\\<][^\W_]*+\Z")
"""In a text without blanks, what a cut at its end may take apart: an address, or a sign's name."""
_OTHER_LINE = late_pattern(r"\n[ \t]*+(?![^\W\d_]|[\"'(“‘„«])|\r")
"""A line that may be no more text of the paragraph; one that begins with a letter surely is."""
_SIGNS = late_pattern(r"[`*_~\[]")
_OPENING = late_pattern(r"\*(?![\s*])|(?<![^\W_])_(?![\s_])|~~|`|\]\(")
"""In text, what may begin an emphasis or a piece of code that later text ends, or go on as a
link."""
_TICKS = late_pattern(r"\\.|(`++)", re.DOTALL)
_TICKS_IN_CODE = late_pattern(r"`++")
_CODE_BEGIN = late_pattern(r"(`{3,}+|~{3,}+)[ \t]*+([a-z0-9+#.-]{0,40}+)(?:[ \t][^`\n]*+)?\n")
_CODE_SIGN = late_pattern(r"[\s;,(){}\"'<>]")
"""A sign of code that is in no address."""
_INNER_FENCE = late_pattern(r"\n {0,3}(`{3,}+|~{3,}+)|\r")


class Kind(Enum):
    PARAGRAPH = "paragraph"
    CODE = "code"


class Piece:
    """A part of the text: it is rendered on first use."""

    __slots__ = ("_html", "_kind", "is_growing", "revision", "text")

    def __init__(self, kind: Kind, text: str, revision: int, *, is_growing: bool) -> None:
        self.text, self.revision, self.is_growing = text, revision, is_growing
        self._kind = kind
        self._html: Markup | None = None

    def stands_for(self, text: str, *, is_growing: bool) -> bool:
        """Whether a new piece of this text would look the same."""
        return self.text == text and (self.is_growing == is_growing or closed(text) == text)

    @property
    def html(self) -> Markup:
        if self._html is None:
            self._html = self._rendered()
        return self._html

    def _rendered(self) -> Markup:
        if self._kind is Kind.CODE:
            return code_lines(self.text)
        try:
            return inline(closed(self.text) if self.is_growing else self.text, OF_SESSION)
        except Exception:
            log.exception("a piece of %d characters cannot be rendered", len(self.text))
            return escape(self.text)


class Container(NamedTuple):
    """What a text in pieces is, from its beginning."""

    kind: Kind
    language: str
    start: int
    """The place in the text at which its content begins."""
    fence: str = ""


class Pieces(NamedTuple):
    """The pieces of a text, and what they are in."""

    container: Container
    since: int
    """The revision from which on all pages have this text in pieces.

    NEVER until it has grown once: a page may be there that an older version of this program made.
    """
    pieces: tuple[Piece, ...]
    end: int
    """The place in the text at which the last piece begins."""

    @property
    def is_code(self) -> bool:
        return self.container.kind is Kind.CODE

    @property
    def language(self) -> str:
        return self.container.language

    def numbered(self) -> Iterator[tuple[int, Piece]]:
        return enumerate(self.pieces)


def container_of(text: str) -> Container | None:
    """What a text consists of; None if it is not sent in pieces.

    Of a text that is longer than MOST_WHOLE, this does not change when it grows.
    """
    beginning = text[:MOST_WHOLE]
    start = len(beginning) - len(beginning.lstrip())
    is_indented = start > 0 and beginning[start - 1] != "\n"
    fence = None if is_indented else _CODE_BEGIN.match(beginning, start)
    if fence:
        return Container(Kind.CODE, fence[2], fence.end(), fence[1])
    if [type_ for _, type_ in openings(beginning)] != ["paragraph_open"]:
        return None
    return Container(Kind.PARAGRAPH, "", start)


def is_still(container: Container, text: str) -> bool:
    """Whether a text of which more has arrived is still sent in pieces; once it is not, never."""
    if container.kind is Kind.PARAGRAPH:
        return _OTHER_LINE.search(text.rstrip(), container.start) is None
    lines = text.count("\n", container.start) + (not text.endswith("\n"))
    others = _INNER_FENCE.finditer(text, container.start - 1)
    closes = any(each[1] is None or each[1].startswith(container.fence) for each in others)
    return lines < FENCE_LINES and not closes


def next_other_line(text: str, start: int) -> int | None:
    """The first letter of the next line that may be no more text of a paragraph; None: none yet."""
    found = _OTHER_LINE.search(text, start)
    return found.end() if found else None


def grown(before: Pieces, text: str, revision: int, *, is_growing: bool = False) -> Pieces:
    """The pieces of a text that is longer now; other greenlets run while it is a long one.

    `is_growing` closes what is bold at its end.
    """
    kind = before.container.kind
    shown = text.rstrip() if kind is Kind.PARAGRAPH else text
    *finished, last = before.pieces or (None,)
    pieces, start, slicer = finished, before.end, TimeSlicer()
    ends = [*_cuts(kind, shown, start, slicer), len(shown)]
    for number, end in enumerate(ends, start=1):
        piece = shown[start:end]
        grows = is_growing and number == len(ends) and kind is Kind.PARAGRAPH
        is_same = last is not None and last.stands_for(piece, is_growing=grows)
        pieces.append(last if last and is_same else Piece(kind, piece, revision, is_growing=grows))
        last = None
        before = before._replace(end=start)
        start = end
    return before._replace(pieces=tuple(pieces))


def _cuts(kind: Kind, text: str, start: int, slicer: TimeSlicer) -> Iterator[int]:
    next_cut = _next_line if kind is Kind.CODE else _next_sentence
    while (cut := next_cut(text, start)) is not None:
        yield cut
        start = cut
        slicer.step()


def _next_line(text: str, start: int) -> int | None:
    """The end of the line before which SHORTEST characters have come; a long line is cut."""
    limit = start + UNCLOSED
    if end := text.find("\n", start + SHORTEST, limit) + 1:
        return end
    if len(text) < limit:
        return None
    sign = _CODE_SIGN.search(text, limit - UNBROKEN, limit)
    return sign.end() if sign else limit


def _next_sentence(text: str, start: int) -> int | None:
    length = SHORTEST
    while (cut := _next_end(text, start, length)) is not None:
        if cut - start >= UNCLOSED:
            return cut
        if not _is_in_word(text, start, cut) and _is_closed(text[start:cut]):
            return cut
        # What is not closed here will mostly not be at the next word: fewer and fewer places are
        # looked at, so that the time stays linear
        length = min(UNCLOSED, (cut - start) * 3 // 2)
    return None


def _next_end(text: str, start: int, length: int) -> int | None:
    """The first place to cut from `length` characters on."""
    if length < LONG:
        if sentence := _SENTENCE.search(text, start + length, start + LONG + 2):
            return sentence.end()
        length = LONG
    limit = start + length + UNBROKEN
    if word := _WORD.search(text, start + length, limit):
        return word.end()
    if len(text) < limit + UNBROKEN:
        return None
    place = _IN_WORD.search(text, limit, limit + UNBROKEN)
    return place.end() if place else limit


def _is_in_word(text: str, start: int, cut: int) -> bool:
    """Whether what is around a place to cut might be taken apart there."""
    if text[cut - 1].isspace() or _SENTENCE_END.match(text, cut - 1):
        return False
    if not _IN_WORD.match(text, cut):
        return True
    begin = max(start, text.rfind(" ", start, cut) + 1)
    return _NOT_APART.search(text, begin, cut) is not None


def _is_closed(text: str) -> bool:
    """Whether no later text can be part of an emphasis, a link or code that begins in this one."""
    if not _SIGNS.search(text):
        return True
    if _has_open_code(text):
        return False
    brackets = 0
    for token in (
        inline_tokens(text) if len(text) <= SHORT else run_cpu_in_thread(inline_tokens, text)
    ):
        if token.type != "text":
            continue
        if _OPENING.search(token.content):
            return False
        for sign in token.content if "[" in token.content or "]" in token.content else "":
            brackets = max(0, brackets + (sign == "[") - (sign == "]"))
    return brackets == 0


def _has_open_code(text: str) -> bool:
    """Whether later text may end code that begins in this one, also in an address or an image.

    Code goes before links: of those it begins in, the later text makes none.
    """
    place = 0
    while begin := _TICKS.search(text, place):
        place = begin.end()
        if begin[1]:
            ticks = _TICKS_IN_CODE.finditer(text, place)
            end = next((each.end() for each in ticks if each[0] == begin[1]), None)
            if end is None:
                return True
            place = end
    return False
