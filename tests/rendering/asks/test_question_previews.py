"""Previews of the choices of a question: drawings keep their lines, the rest is Markdown."""

from __future__ import annotations

import pytest

from opcode_htmx.markup.markdown import preview

BOX = "+-----------+\n| Apples  3 |\n+-----------+"


@pytest.mark.parametrize(
    "drawing",
    [BOX, "┌──┐\n│a │\n└──┘", "a   b\nc   d", "| a | b |\n| c | d |", "top\n  inner\nend"],
)
def test_a_drawing_in_characters_keeps_its_lines_and_spaces(drawing: str) -> None:
    assert str(preview(drawing)).startswith("<pre ")
    assert drawing in preview(drawing).unescape()


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("# Title", "<h1 dir"),
        ("- a\n  - b", "<ul>"),
        ("| a |\n| --- |\n| b |", "<table>"),
        ("```python\nx   = 1\n```", "<code class"),
        ("`b`", "<code dir"),
    ],
)
def test_other_previews_are_markdown(text: str, tag: str) -> None:
    assert tag in preview(text)
