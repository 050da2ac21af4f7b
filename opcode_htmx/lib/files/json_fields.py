"""Read the fields of a dataclass from parsed JSON, with their types: a file may be damaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")

MOST = float(2**53)
"""A larger number is not exact in every JSON parser, and is no time, amount or count of ours."""
_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str | None": (str, type(None)),
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
}
"""The types of JSON values, by the annotations of the fields that they are for."""


def fields_of(kind: type[Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a dataclass's fields; keys of a later version are left out.

    Checked are fields of the types above; numbers are from 0 to MOST, so that NaN and infinity are
    none. Others are for the caller. Raises TypeError and ValueError for a wrong value.
    """
    known = {each.name: found[each.name] for each in fields(kind) if each.name in found}
    for each in fields(kind):
        expected = _TYPES.get(str(each.type))
        if expected is None or each.name not in known:
            continue
        value = known[each.name]
        if type(value) not in expected:
            raise TypeError(f"{each.name} is not of the type {each.type}")
        if type(value) in (int, float):
            number(value)
    return known


def field_or(
    found: Mapping[str, Any],
    name: str,
    parse: Callable[[Any], T],
    default: T,
    left_out: list[str],
) -> T:
    """One field, or the default where it is missing, or damaged: then its name is in the list."""
    if name not in found:
        return default
    try:
        return parse(found[name])
    except (TypeError, ValueError):
        left_out.append(name)
        return default


def text(value: object) -> str:
    """Raises ValueError for another value than a text."""
    if not isinstance(value, str):
        raise ValueError("it is no text")
    return value


def texts(value: object) -> tuple[str, ...]:
    """Raises ValueError for another value than a list of texts."""
    if not isinstance(value, list):  # a text has letters, and an object has names
        raise ValueError("it is no list")
    return tuple(map(text, value))


def number(value: object, most: float = MOST) -> float:
    """A number that can be a time, an amount or a count. Raises ValueError for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"a number is from 0 to {most:,.0f}")
    return float(value)
