"""Where the top-level blocks of a Markdown text begin."""

from __future__ import annotations

from opcode_htmx.markup.markdown_parser import commonmark

_block_parser = commonmark().disable(["inline", "text_join"])
"""Finds the boundaries of blocks only: inline parsing takes most of the time."""


def openings(text: str) -> list[tuple[int, str]]:
    """The line numbers at which top-level blocks begin, with their types."""
    tokens = _block_parser.parse(text)
    top_level = (token for token in tokens if token.level == 0 and token.nesting >= 0)
    return [(token.map[0], token.type) for token in top_level if token.map]
