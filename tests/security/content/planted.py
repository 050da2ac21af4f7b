"""The app with a fault: no block can be rendered, searched or written as Markdown."""

from typing import Any, NoReturn

from app import app
from opcode_htmx.rendering import search, to_markdown
from opcode_htmx.rendering.fragments import Fragments

__all__ = ["app"]

FAULT = "a fault that was planted"

_call_macro = Fragments._call_macro


def failing(self: Fragments, macro: str, *arguments: object) -> Any:
    if macro == "block":
        raise RuntimeError(FAULT)
    return _call_macro(self, macro, *arguments)


def fail(_: object) -> NoReturn:
    raise RuntimeError(FAULT)


Fragments._call_macro = failing  # type: ignore[method-assign]
search._parts = fail  # type: ignore[assignment]
to_markdown._source = fail  # type: ignore[assignment]
