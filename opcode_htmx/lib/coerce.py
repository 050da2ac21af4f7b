"""Values out of JSON whose shape cannot be trusted: each as the type that is meant, or empty."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeGuard, cast

from opcode_htmx.lib.bounded_json import is_deeper

Json: TypeAlias = dict[str, Any]

_LARGEST = 2**53
"""Beyond this no count is exact everywhere, and none of Claude's is meant."""


DEEPEST = 100
"""How far lists and objects may stand in one another and still mean something."""


def is_too_deep(value: object) -> bool:
    """Whether it is nested deeper than that: what walks down there would come to its own end."""
    return is_deeper(value, DEEPEST)


def is_larger(limit: int, *values: object) -> bool:
    """Whether the values hold more than `limit` characters and values, keys left out.

    Looks at no more of them than it takes to find out.
    """
    waiting: list[object] = [*values]
    while waiting:
        value = waiting.pop()
        limit -= 1 + len(value) if isinstance(value, str | dict | list) else 1
        if limit < 0:
            return True
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return False


def as_dict(value: object) -> Json:
    return cast(Json, value) if isinstance(value, dict) else {}


def as_list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def as_str(value: object) -> str:
    return value if isinstance(value, str) else ""


def optional(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def seconds(stamp: object) -> float:
    try:
        return datetime.fromisoformat(as_str(stamp)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def amount(value: object) -> float | None:
    return float(value) if is_amount(value) else None


def as_int(value: object) -> int:
    return int(value) if is_amount(value) else 0


def is_amount(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that can be counted with: not NaN, not negative, not endless."""
    return isinstance(value, int | float) and 0 <= value <= _LARGEST
