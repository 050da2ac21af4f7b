"""JSON from outside: what is nested so deep that Python would run out of stack is not valid.

The same text can be parsed in one place and be too deep in another, where more of the stack is in
use; so there is a bound far below.
"""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 400
"""Levels; half of Python's stack."""


class TooDeep(ValueError):
    """JSON that is nested too deep; the text is a sentence for a person."""


def loads(text: str | bytes, levels: int = DEEPEST) -> Any:
    """The value in a JSON text. Raises ValueError; TooDeep beyond so many levels."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(levels) from None
    if _containers(text) > levels and is_deeper(value, levels):
        raise _too_deep(levels)
    return value


def is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects stand in one another in more levels."""
    level = [value]
    for _ in range(levels):
        holders = [each for each in level if isinstance(each, dict | list)]
        level = [
            inner
            for each in holders
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _containers(text: str | bytes) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _too_deep(levels: int) -> TooDeep:
    return TooDeep(f"It is nested deeper than {levels} levels.")
