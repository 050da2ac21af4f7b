"""The top-level blocks of the lines of a Markdown text, and whether later lines can change them."""

from __future__ import annotations

from typing import NamedTuple

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.growing.openings import openings
from opcode_htmx.markup.markdown_parser import FENCE_LINES

SHORT = 2_000
"""Characters whose blocks are found within a few milliseconds in the worst case; longer text is
parsed in a thread."""

_FENCE = late_pattern(r" {0,3}(`{3,}|~{3,})")


class Block(NamedTuple):
    """A top-level block: the line that opens it, and the line at which the next one begins."""

    opening: int
    end: int
    type: str


def top_level_blocks(lines: list[str]) -> list[Block]:
    """Other greenlets run while these are long."""
    text = "".join(lines)
    found = openings(text) if len(text) <= SHORT else run_cpu_in_thread(openings, text)
    ends = [*(opening for opening, _ in found[1:]), len(lines)]
    return [Block(opening, end, type_) for (opening, type_), end in zip(found, ends, strict=False)]


def is_blank(text: str) -> bool:
    """As CommonMark sees it: `str.strip` also removes other separators."""
    return not text.strip(" \t\r\n")


def is_ended(lines: list[str], block: Block, after: str) -> bool:
    """Whether no more lines can belong to the last block, `lines`; `after` comes behind them.

    So the next block is rendered by itself from its first letter on.
    """
    ends_blank = is_blank(lines[-1])
    match block.type:
        case "heading_open" | "hr":
            return True
        case "fence":
            return closing_line(lines[0], lines[1:]) is not None
        case "paragraph_open" | "table_open" | "blockquote_open":
            return ends_blank
        case _:  # lists, and code by its indent
            return ends_blank and after.isalpha()


def is_long_fence(lines: list[str], block: Block) -> bool:
    """Whether the block, `lines`, is code of more than FENCE_LINES."""
    return (
        block.type == "fence"
        and len(lines) > FENCE_LINES
        and closing_line(lines[0], lines[1 : 1 + FENCE_LINES]) is None
    )


def closing_line(opening: str, lines: list[str]) -> int | None:
    """The number of the line that closes the fence which `opening` opens."""
    fence = _FENCE.match(opening)
    if fence is None:
        return None
    return next((number for number, line in enumerate(lines) if _closes(fence[1], line)), None)


def _closes(fence: str, line: str) -> bool:
    text = line.lstrip(" ")
    indent, text = len(line) - len(text), text.rstrip(" \t\r\n")
    return indent <= 3 and text.startswith(fence) and not text.strip(fence[0])
