"""Show the cells of a Jupyter notebook, and their outputs, on the card of Read.

Images among the outputs are parts of the result itself, and are shown below the card.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opcode_htmx.markup import ansi, highlight
from opcode_htmx.markup.spans import Span, merge
from opcode_htmx.rendering.cards.parts import (
    SHOWN_CHARACTERS,
    ColouredText,
    number,
    text_of,
)

_COMMENT = "c"


def cells_of(file: object) -> list[dict[str, Any]]:
    """The cells in the tool's structured result; none if the file is no notebook."""
    cells = file.get("cells") if isinstance(file, dict) else None
    return [each for each in cells if isinstance(each, dict)] if isinstance(cells, list) else []


def shown(cells: list[dict[str, Any]]) -> ColouredText:
    """The notebook in colours, cut to SHOWN_CHARACTERS."""
    text = in_text(cells)
    spans = merge(_cut(_spans(cells), SHOWN_CHARACTERS))
    return ColouredText(spans, max(0, len(text) - SHOWN_CHARACTERS))


def in_text(cells: list[dict[str, Any]]) -> str:
    """The whole notebook as text."""
    return "".join(text for cell in cells for _, text in _sections(cell)).rstrip("\n")


def _spans(cells: list[dict[str, Any]]) -> Iterator[Span]:
    left = SHOWN_CHARACTERS
    for cell in cells:
        for kind, text in _sections(cell):
            match kind:
                case "label":
                    yield Span(_COMMENT, text)
                case "output":
                    yield from ansi.spans(text[:left])
                case language:
                    yield from highlight.code(text[:left], language).spans
            left -= len(text)
            if left <= 0:
                return


def _sections(cell: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts of a cell, each with its language, or as a `label` or an `output`."""
    is_code = cell.get("cellType", "code") == "code"
    count = number(cell.get("execution_count"))
    if is_code:
        yield "label", f"In [{' ' if count is None else count}]:\n"
    language = text_of(cell.get("language")) or "python"
    yield language if is_code else "markdown", _ended(text_of(cell.get("source")))
    outputs = "".join(_ended(text) for text in _outputs(cell))
    if outputs:
        yield "label", f"Out [{' ' if count is None else count}]:\n"
        yield "output", outputs
    yield "label", "\n"


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    outputs = cell.get("outputs")
    for each in outputs if isinstance(outputs, list) else ():
        if isinstance(each, dict):
            yield text_of(each.get("text"))


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _cut(spans: Iterator[Span], left: int) -> Iterator[Span]:
    for style, text in spans:
        yield Span(style, text[:left])
        left -= len(text)
        if left <= 0:
            return
