"""A Markdown text that grows at its end, as parts that are rendered for themselves.

A part is a run of top-level blocks that nothing written later can change, so each is rendered once
and the cost grows with the text and not with its square. A whole text goes through the same
splitter, so history and the live page come out alike. (The price: link definitions, which could
change what is settled, are text.)
"""

from __future__ import annotations

import logging
import re
from typing import NamedTuple

from markupsafe import Markup

from opcode_htmx.lib.cooperative import TimeSlicer, run_cpu_in_thread
from opcode_htmx.markup.markdown import (
    FENCE_LINES,
    commonmark,
    joined,
    lines_of,
    plain,
    render,
)

log = logging.getLogger(__name__)

SHORT = 2_000
"""Characters whose blocks are found in a few milliseconds, whatever they are."""
LONGEST_BLOCK = 20_000
"""Characters; what is longer than anything written to be read, such as a list of hundreds of items,
is cut between two lines, so that it costs no more the longer it grows."""
MOST_LINES = 1_000
"""Lines of one block, likewise: the parser of HTML counts the elements in front of each one."""
WINDOW = 2_000
"""Characters in which the next blocks are looked for: a text with many blocks is parsed piece by
piece, and not again from each of them to its end."""
LONGEST = 100_000
"""Characters of one text that are Markdown."""
PLAIN_PIECE, MOST_PLAIN = 20_000, 200_000
"""Of what is longer: the characters in one piece, and how many are shown at all."""

_PLAIN_NOTE = "*From here on, this long text is shown as it was written.*"

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")

_outline = commonmark().disable(["inline", "text_join"])
"""Only where blocks begin and end: what is in their lines takes most of the time."""


class Part:
    """A piece of a growing text: rendered when it is asked for, and again only when it changed."""

    __slots__ = ("_html", "_text", "revision")

    def __init__(self, text: str, revision: int) -> None:
        self._text = text
        self._html: Markup | None = None
        self.revision = revision

    @property
    def text(self) -> str:
        return self._text

    @property
    def html(self) -> Markup:
        html = self._html
        if html is None:
            text = self._text
            try:
                html = render(text)
            except Exception:  # a text that cannot be read as Markdown is still a text
                log.exception("a text of %d characters cannot be rendered", len(text))
                html = plain(text)
            if text == self._text:  # it may have grown meanwhile
                self._html = html
        return html

    def become(self, text: str, revision: int) -> None:
        if text != self._text:
            self._text, self._html, self.revision = text, None, revision


class PlainPart(Part):
    """A piece that is shown as it stands."""

    __slots__ = ()

    @property
    def html(self) -> Markup:
        if self._html is None:
            self._html = plain(self._text)
        return self._html


def whole(text: str, literal: bool = False) -> Markup:
    """A Markdown text that does not grow, within the same bounds as one that does.

    `literal` is that of `render`.
    """
    if len(text) <= LONGEST_BLOCK:
        return render(text, literal)
    growing = IncrementalMarkdown()
    growing.append(text, 0)
    parts = growing.parts
    if not literal:
        return joined(part.html for part in parts)
    return joined(
        part.html if isinstance(part, PlainPart) else render(part.text, literal) for part in parts
    )


class IncrementalMarkdown:
    """A Markdown text that grows at its end, as parts.

    No answer is as long as LONGEST, but a line may be: reading it as Markdown would hold up the
    whole server. What is longer is plain from there on, and in the end only counted.
    """

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._length = 0
        self._tail = ""
        """The text behind the settled parts: all that later text may still change."""
        self._fence = ""
        """The opening line of the code block that the tail is inside of, if it was cut."""
        self._window = WINDOW
        """Characters at the begin of the tail that have to be parsed to find the end of a block."""

    def append(self, text: str, revision: int) -> None:
        """Add `text`, which came with `revision`. Others have their turn while it is a long one."""
        room = max(0, LONGEST - self._length)
        if marked := text[:room]:
            self._append_markdown(marked, revision)
        if plain := text[room:]:
            self._append_plain(plain, max(0, self._length - LONGEST), revision)
        self._length += len(text)

    def _append_plain(self, text: str, place: int, revision: int) -> None:
        """Add `text`, which stands `place` characters behind the longest text that is Markdown."""
        shown, left_out = text[: max(0, MOST_PLAIN - place)], place + len(text) - MOST_PLAIN
        if place == 0:
            self.parts.append(Part(_PLAIN_NOTE, revision))
        while shown:
            if place % PLAIN_PIECE == 0:
                self.parts.append(PlainPart("", revision))
            piece = shown[: PLAIN_PIECE - place % PLAIN_PIECE]
            self.parts[-1].become(self.parts[-1].text + piece, revision)
            shown, place = shown[len(piece) :], place + len(piece)
        if left_out > 0:
            if place == MOST_PLAIN:
                self.parts.append(Part("", revision))
            note = f"*{left_out:,} characters more are in the session’s export as JSONL.*"
            self.parts[-1].become(note, revision)

    def _append_markdown(self, text: str, revision: int) -> None:
        if not self.parts:
            self.parts.append(Part("", revision))
        self._tail += text
        # Only a whole line settles anything: "#" may become a heading, or "#1 is broken".
        if "\n" in text:
            pace = TimeSlicer()
            while self._settle(revision):
                pace.step()
        # The end of code that was cut there is no code of its own
        ended = not self._tail or _closing_line(self._fence, [self._tail]) == 0
        self.parts[-1].become("" if self._fence and ended else self._fence + self._tail, revision)

    def _settle(self, revision: int) -> bool:
        """Make parts of what no later text can change; whether there may be more of it."""
        end = self._tail.rfind("\n") + 1
        while True:
            begin = self._tail[: self._window] if self._window < end else self._tail[:end]
            begin = begin[: begin.rfind("\n") + 1]
            if self._settle_in(lines_of(begin), revision):
                self._window = WINDOW
                return True
            if self._window >= end:
                return False
            self._window *= 2

    def _settle_in(self, lines: list[str], revision: int) -> bool:
        """The same for what is in these lines, which the tail begins with."""
        if self._fence:
            return self._settle_code(lines, revision)
        before = len(self.parts)
        blocks = _top_level_blocks(lines)
        taken = 0
        for block in blocks:
            if _is_long_fence(lines[block.opening : block.end], block):
                cut = block.opening + 1 + FENCE_LINES
                self._take("".join(lines[taken:cut]), revision)
                self._fence = lines[block.opening]
                return True
            if too_long := _cut(lines, block):
                self._take("".join(lines[taken:too_long]), revision)
                return True
            if block is not blocks[-1]:
                self._take("".join(lines[taken : block.end]), revision)
                taken = block.end
        return len(self.parts) > before

    def _settle_code(self, lines: list[str], revision: int) -> bool:
        closing = _closing_line(self._fence, lines[:FENCE_LINES])
        if closing is None and len(lines) < FENCE_LINES:
            return False
        if closing == 0:
            self._tail = self._tail[len(lines[0]) :]
        else:
            self._take("".join(lines[: FENCE_LINES if closing is None else closing + 1]), revision)
        if closing is not None:
            self._fence = ""
        return True

    def _take(self, text: str, revision: int) -> None:
        """Settle `text`, the beginning of the tail, and open the next part."""
        self.parts[-1].become(self._fence + text, revision)
        self.parts.append(Part("", revision))
        self._tail = self._tail[len(text) :]


class _Block(NamedTuple):
    """A top-level block: the line that opens it, and the line at which the next one begins."""

    opening: int
    end: int
    type: str


def _top_level_blocks(lines: list[str]) -> list[_Block]:
    text = "".join(lines)
    begun = _openings(text) if len(text) <= SHORT else run_cpu_in_thread(_openings, text)
    ends = [*(opening for opening, _ in begun[1:]), len(lines)]
    return [_Block(opening, end, type_) for (opening, type_), end in zip(begun, ends, strict=False)]


def _openings(text: str) -> list[tuple[int, str]]:
    """The lines that open a top-level block, and of which type it is."""
    tokens = (token for token in _outline.parse(text) if token.level == 0 and token.nesting >= 0)
    return [(token.map[0], token.type) for token in tokens if token.map]


def _is_long_fence(lines: list[str], block: _Block) -> bool:
    return (
        block.type == "fence"
        and len(lines) > FENCE_LINES
        and _closing_line(lines[0], lines[1 : 1 + FENCE_LINES]) is None
    )


def _cut(lines: list[str], block: _Block) -> int | None:
    """The number of the line in front of which a block is cut; None if it is not too long."""
    if block.type == "fence":
        return None
    length = 0
    for number in range(block.opening, block.end):
        length += len(lines[number])
        if length > LONGEST_BLOCK or number - block.opening >= MOST_LINES:
            return number + 1
    return None


def _closing_line(opening: str, lines: list[str]) -> int | None:
    """The number of the line that closes the fence which `opening` opens."""
    fence = _FENCE.match(opening)
    if fence is None:
        return None
    return next((number for number, line in enumerate(lines) if _closes(fence[1], line)), None)


def _closes(fence: str, line: str) -> bool:
    marks = line.lstrip(" ")
    indent, marks = len(line) - len(marks), marks.rstrip(" \t\r\n")
    return indent <= 3 and marks.startswith(fence) and not marks.strip(fence[0])
