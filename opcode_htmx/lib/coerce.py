"""Coerce values of untrusted JSON to the expected type; a wrong type gives an empty value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeGuard

from opcode_htmx.lib.bounded_json import is_deeper

Json: TypeAlias = dict[str, Any]

_LARGEST = 2**53
"""Larger integers are not exact in every JSON parser, and no number of Claude's is as large."""


DEEPEST = 100
"""Levels of nesting; deeper values are refused."""


def is_too_deep(value: object) -> bool:
    """Whether a value is nested deeper than DEEPEST, so that recursion could exhaust the stack."""
    return is_deeper(value, DEEPEST)


def is_larger(limit: int, *values: object) -> bool:
    """Whether the values hold more than `limit` characters and values together; keys do not count.

    Stops as soon as the answer is known.
    """
    pending: list[object] = [*values]
    while pending:
        value = pending.pop()
        limit -= 1 + len(value) if isinstance(value, str | dict | list) else 1
        if limit < 0:
            return True
        if isinstance(value, dict | list):
            pending.extend(value.values() if isinstance(value, dict) else value)
    return False


LATEST = 7_258_118_400.0
"""A Unix time after all others: the year 2200."""


def as_dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def as_str(value: object) -> str:
    return value if isinstance(value, str) else ""


def optional(value: object) -> str | None:
    """A text; None if it is empty or of another type."""
    return value if isinstance(value, str) and value else None


def encodable(text: str) -> str:
    """A text that UTF-8 can encode: JavaScript may split a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def seconds(stamp: object) -> float:
    """The Unix time of an ISO 8601 timestamp; 0 if it is none, or of no time of ours.

    Zero times of programs are years outside of the calendar of some time zones.
    """
    try:
        found = datetime.fromisoformat(as_str(stamp)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return found if 0 < found < LATEST else 0.0


def amount(value: object) -> float | None:
    """A number as `is_amount` has it; None if it is none."""
    return float(value) if is_amount(value) else None


def as_int(value: object) -> int:
    """A number as `is_amount` has it, without its fraction; 0 if it is none."""
    return int(value) if is_amount(value) else 0


def is_amount(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number from 0 to 2**53: no NaN, infinity or negative number."""
    return isinstance(value, int | float) and 0 <= value <= _LARGEST
