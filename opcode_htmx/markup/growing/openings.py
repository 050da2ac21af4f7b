"""Where the top-level blocks of a Markdown text begin."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from opcode_htmx.markup.markdown_parser import commonmark

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


@cache
def _block_parser() -> MarkdownIt:
    """Finds the boundaries of blocks only: inline parsing takes most of the time."""
    return commonmark().disable(["inline", "text_join"])


def openings(text: str) -> list[tuple[int, str]]:
    """The line numbers at which top-level blocks begin, with their types."""
    tokens = _block_parser().parse(text)
    top_level = (token for token in tokens if token.level == 0 and token.nesting >= 0)
    return [(token.map[0], token.type) for token in top_level if token.map]
