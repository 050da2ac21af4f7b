"""Where a very long line of a growing Markdown text is cut, so that nothing long is sent whole.

A paragraph and code are sent in pieces (growing/pieces.py), however long their lines are. Any other
block is sent whole at each growth: a line of it that has no end would be without a bound. All of
this follows from the beginning of the line, so that it does not depend on how the text arrived.
"""

from __future__ import annotations

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.growing.pieces import Kind, container_of, is_still, next_other_line

LONGEST_LINE = 4_000
"""Characters; nobody writes an item of a list as long as this."""
UNBROKEN = 200
"""Characters before that in which a blank is looked for."""

_WORD = late_pattern(r" (?=[^\W\d_])")


def first(text: str, start: int = 0) -> int | None:
    """Where the first line begins that is too long, from a line's beginning on; None: nowhere."""
    while (end := text.find("\n", start, start + LONGEST_LINE + 1)) >= 0:
        start = end + 1
    return start if len(text) - start > LONGEST_LINE else None


def kind_in_pieces(block: str) -> Kind | None:
    """What a block is that needs no cut, up to the first LONGEST_LINE characters of a long line."""
    container = container_of(block)
    return container.kind if container and is_still(container, block) else None


def cut_in(text: str, line: int) -> int:
    """The place before which the long line at `line` is cut: where a word begins, if one does."""
    end = line + LONGEST_LINE
    words = [each.end() for each in _WORD.finditer(text, end - UNBROKEN, end)]
    return words[-1] if words else end


def end_of_paragraph(text: str, start: int) -> int | None:
    """The end of a paragraph in pieces at a line that may be no more text of it; None as yet.

    With that line it would be sent whole. `start` is a place in it before which there is no such
    line. A blank line ends any paragraph: it needs no cut.
    """
    place = next_other_line(text, start)
    if place is None or place == len(text) or text[place] in "\r\n":
        return None
    return text.rfind("\n", 0, place) + 1
