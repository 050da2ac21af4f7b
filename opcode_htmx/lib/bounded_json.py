"""Parse JSON from outside with a limit on its nesting, so that Python never runs out of stack.

How deep the parser gets depends on how much of the stack is in use already, so the limit is far
below what Python can take.
"""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 400
"""Levels of nesting; half of Python's stack."""


class TooDeep(ValueError):
    """JSON is nested too deep; the text is a sentence for the user."""


def loads(text: str | bytes, levels: int = DEEPEST) -> Any:
    """Parse a JSON text. Raises ValueError; TooDeep, a ValueError, beyond `levels` levels."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(levels) from None
    if _count_brackets(text) > levels and is_deeper(value, levels):
        raise _too_deep(levels)
    return value


def is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested in more than `levels` levels."""
    level = [value]
    for _ in range(levels):
        containers = [each for each in level if isinstance(each, dict | list)]
        level = [
            inner
            for each in containers
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _count_brackets(text: str | bytes) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _too_deep(levels: int) -> TooDeep:
    return TooDeep(f"It is nested deeper than {levels} levels.")
