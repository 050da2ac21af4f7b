"""Render Markdown that arrives in pieces, as parts that are rendered separately.

A part is a run of top-level blocks that no later text can change. Each is rendered once, so the
cost grows linearly with the text. A complete text is split in the same way, so history and the live
page look alike. (The price: link definitions, which could change settled parts, are shown as text.)
"""

from __future__ import annotations

from markupsafe import Markup

from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.markup.addresses.places import Places
from opcode_htmx.markup.growing import long_lines
from opcode_htmx.markup.growing.blocks import (
    Block,
    closing_line,
    is_blank,
    is_ended,
    is_long_fence,
    top_level_blocks,
)
from opcode_htmx.markup.growing.part import Part, PlainPart, render_or_show
from opcode_htmx.markup.growing.pieces import Kind
from opcode_htmx.markup.markdown import join, render
from opcode_htmx.markup.markdown_parser import FENCE_LINES, lines_of

LONGEST_BLOCK = 20_000
"""Characters; a longer block, such as a list of hundreds of items, is split between two lines, so
that its cost stays linear. Nothing that people read is as long."""
MOST_LINES = 1_000
"""Lines of one block, likewise: the HTML parser counts the elements before each one."""
WINDOW = 2_000
"""Characters in which the next blocks are looked for: a text with many blocks is parsed piecewise,
and not again from each of them to its end."""
LONGEST = 100_000
"""Characters of one text that are rendered as Markdown."""
PLAIN_PIECE, MOST_PLAIN = 20_000, 200_000
"""Of the rest: characters in one piece, and characters that are shown at all."""

_PLAIN_NOTE = "*From here on, this long text is shown as it was written.*"


def render_complete(text: str, literal: bool = False, places: Places | None = None) -> Markup:
    """Render a complete Markdown text within the limits of IncrementalMarkdown.

    `literal` and `places` are those of `render`.
    """
    if len(text) <= LONGEST_BLOCK:
        return render(text, literal, places)
    growing = IncrementalMarkdown()
    growing.append(text, 0)
    return join(_rendered(part, literal, places) for part in growing.parts)


def _rendered(part: Part, literal: bool, places: Places | None) -> Markup:
    if isinstance(part, PlainPart):
        return part.html
    return render_or_show(part.text, literal, places)


class IncrementalMarkdown:
    """A Markdown text that grows at its end, as parts.

    No answer is as long as LONGEST, but a line of a file may be: parsing it as Markdown would block
    the whole server. Longer text is plain from there on, and beyond MOST_PLAIN only counted.
    """

    def __init__(self) -> None:
        self.is_growing = False
        """Whether what is bold at its end is closed, as more of it is to come."""
        self._waiting: tuple[str, int] | None = None
        """The first text and its revision, until a page shows the parts or more text comes."""
        self._parts: list[Part] = []
        self._length = 0
        self._tail = ""
        """The text after the settled parts, which later text may still change."""
        self._fence = ""
        """The opening line of the code block in which the tail begins, if that was split."""
        self._is_open = False
        """Whether the last part is that of the tail, or the tail has none yet."""
        self._window = WINDOW
        """Characters at the start of the tail to parse in order to find the end of a block."""
        self._passed = 0
        """A place in the tail's last line of those that are too long, and in pieces."""
        self._is_paragraph = False
        """Whether that is a line of a paragraph, and not of code."""
        self._is_rest = False
        """Whether the tail begins with the rest of a line that was cut."""

    @property
    def parts(self) -> list[Part]:
        """The parts; the first text is split into them on first use.

        Most texts of a long session are never shown. Other greenlets run while it is a long one.
        """
        if waiting := self._waiting:
            split = IncrementalMarkdown()
            split.is_growing = self.is_growing
            split._append(*waiting)
            if self._waiting is waiting:  # nobody else has split it meanwhile
                self._adopt(split)
        return self._parts

    def _adopt(self, split: IncrementalMarkdown) -> None:
        self._parts, self._length, self._tail = split._parts, split._length, split._tail
        self._fence, self._is_open, self._window = split._fence, split._is_open, split._window
        self._passed, self._is_paragraph = split._passed, split._is_paragraph
        self._is_rest = split._is_rest
        self._waiting = None

    def append(self, text: str, revision: int) -> None:
        """Add `text`, which came with `revision`; other greenlets run while it is a long one."""
        if self._waiting is None and not self._parts:
            self._waiting = text, revision
            return
        self.parts  # noqa: B018 - splits the first text
        self._append(text, revision)

    def end(self, revision: int) -> bool:
        """Show the end as it is, since nothing comes after it; whether that changes anything."""
        was_growing, self.is_growing = self.is_growing, False
        if not was_growing:
            return False
        if waiting := self._waiting:
            if "**" not in waiting[0]:
                return False
            self._waiting = waiting[0], revision  # another server may have shown it
            return True
        last = self._parts[-1] if self._parts else None
        return last is not None and last.replace(last.text, revision)

    def _append(self, text: str, revision: int) -> None:
        markdown_left = max(0, LONGEST - self._length)
        if markdown := text[:markdown_left]:
            self._append_markdown(markdown, revision)
        if plain := text[markdown_left:]:
            self._append_plain(plain, max(0, self._length - LONGEST), revision)
        self._length += len(text)

    def _append_plain(self, text: str, offset: int, revision: int) -> None:
        """Add `text`, which begins `offset` characters after the text that is Markdown."""
        shown, left_out = text[: max(0, MOST_PLAIN - offset)], offset + len(text) - MOST_PLAIN
        if offset == 0:
            if self._parts:  # nothing comes after its end any more
                self._parts[-1].replace(self._parts[-1].text, revision)
            self._parts.append(Part(_PLAIN_NOTE, revision))
        while shown:
            if offset % PLAIN_PIECE == 0:
                self._parts.append(PlainPart("", revision))
            piece = shown[: PLAIN_PIECE - offset % PLAIN_PIECE]
            self._parts[-1].replace(self._parts[-1].text + piece, revision)
            shown, offset = shown[len(piece) :], offset + len(piece)
        if left_out > 0:
            if offset == MOST_PLAIN:
                self._parts.append(Part("", revision))
            note = f"*{left_out:,} characters more are in the session’s export as JSONL.*"
            self._parts[-1].replace(note, revision)

    def _append_markdown(self, text: str, revision: int) -> None:
        if not self._parts:
            self._open_part(revision)
        begins_line = self._tail.endswith("\n")
        self._tail += text
        # Only a whole line settles anything, or the first letter of the next one: "#" may become a
        # heading, or "#1 is broken". And a line that becomes too long.
        if begins_line or "\n" in text or self._has_long_line():
            slicer = TimeSlicer()
            while self._settle(revision):
                slicer.step()
        # A fence that closes a block right after the split is no code of its own
        ended = not self._tail or closing_line(self._fence, [self._tail]) == 0
        if self._fence or not is_blank(self._tail):
            self._open_part(revision)
        if self._is_open:
            shown = "" if self._fence and ended else self._fence + self._tail
            self._parts[-1].replace(shown, revision, is_growing=self.is_growing)

    def _open_part(self, revision: int) -> None:
        """Let the last part be one for the tail."""
        if not self._is_open:
            self._parts.append(Part("", revision))
            self._is_open = True

    def _has_long_line(self) -> bool:
        """Whether the last line is too long, and not in pieces."""
        line = self._tail.rfind("\n") + 1
        return len(self._tail) - line > long_lines.LONGEST_LINE and line >= self._passed

    def _settle(self, revision: int) -> bool:
        """Turn text that cannot change any more into parts; True if there may be more of it."""
        line = self._next_long_line()
        end: int | None = None
        if self._is_rest and line != 0:
            end = self._tail.find("\n") + 1
        elif self._is_paragraph:
            end = long_lines.end_of_paragraph(self._tail, self._passed)
        if end:
            self._settle_text(self._tail[:end], revision)
            return True
        if self._settle_before(line, revision):
            return True
        return line is not None and self._settle_long(line, revision)

    def _next_long_line(self) -> int | None:
        """Where the next line begins that is too long, and was not passed."""
        if not self._passed:
            return long_lines.first(self._tail)
        end = self._tail.find("\n", self._passed) + 1
        return long_lines.first(self._tail, end) if end else None

    def _settle_long(self, line: int, revision: int) -> bool:
        """Cut the long line at `line`, unless it is sent in pieces."""
        text = self._tail[: line + long_lines.LONGEST_LINE]
        lines = lines_of(text)
        blocks = [] if self._fence else top_level_blocks(lines)
        for block, settled in zip(blocks[:-1], [0, *(each.end for each in blocks)], strict=False):
            self._settle_text("".join(lines[settled : block.end]), revision)
        if len(blocks) > 1:
            return True
        if kind := long_lines.kind_in_pieces(self._fence + text):
            self._passed, self._is_paragraph = len(text), kind is Kind.PARAGRAPH
            return True
        self._settle_text(text[: long_lines.cut_in(text, line)], revision)
        if blocks and blocks[0].type == "fence":
            self._fence = lines[blocks[0].opening]
        self._is_rest = not self._fence
        return True

    def _settle_before(self, line: int | None, revision: int) -> bool:
        """The same for all whole lines, or those before `line`."""
        end = self._tail.rfind("\n") + 1 if line is None else line
        while True:
            start = self._tail[: self._window] if self._window < end else self._tail[:end]
            start = start[: start.rfind("\n") + 1]
            after = self._tail[len(start) : len(start) + 1]
            if self._settle_lines(lines_of(start), after, revision):
                self._window = WINDOW
                return True
            if self._window >= end:
                return False
            self._window *= 2

    def _settle_lines(self, lines: list[str], after: str, revision: int) -> bool:
        """The same for the first lines of the tail; `after` is the character behind them."""
        if self._fence:
            return self._settle_code(lines, revision)
        blocks = top_level_blocks(lines)
        settled = 0
        for block in blocks:
            if is_long_fence(lines[block.opening : block.end], block):
                split = block.opening + 1 + FENCE_LINES
                self._settle_text("".join(lines[settled:split]), revision)
                self._fence = lines[block.opening]
                return True
            if split_at := _split_line(lines, block):
                self._settle_text("".join(lines[settled:split_at]), revision)
                return True
            if block is not blocks[-1] or is_ended(lines[block.opening :], block, after):
                self._settle_text("".join(lines[settled : block.end]), revision)
                settled = block.end
        return settled > 0

    def _settle_code(self, lines: list[str], revision: int) -> bool:
        closing = closing_line(self._fence, lines[:FENCE_LINES])
        if closing is None and len(lines) < FENCE_LINES:
            return False
        if closing == 0:
            self._open_part(revision)
            self._tail = self._tail[len(lines[0]) :]
            self._pass_nothing()
        else:
            end = FENCE_LINES if closing is None else closing + 1
            self._settle_text("".join(lines[:end]), revision)
        if closing is not None:
            self._fence = ""
        return True

    def _pass_nothing(self) -> None:
        self._passed, self._is_paragraph, self._is_rest = 0, False, False

    def _settle_text(self, text: str, revision: int) -> None:
        """Make a part of `text`, the start of the tail."""
        self._open_part(revision)
        self._parts[-1].replace(self._fence + text, revision)
        self._is_open = False
        self._tail = self._tail[len(text) :]
        self._pass_nothing()


def _split_line(lines: list[str], block: Block) -> int | None:
    """The number of the line before which a block is split; None if it is not too long."""
    if block.type == "fence":
        return None
    length = 0
    for number in range(block.opening, block.end):
        length += len(lines[number])
        if length > LONGEST_BLOCK or number - block.opening >= MOST_LINES:
            return number + 1
    return None
