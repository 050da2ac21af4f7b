"""What Claude says that it can do: its models and commands, from its answer to `initialize`.

The answer in, values out. What is not as expected is left out, never an error. Most runs tell the
same long lists and are kept for long: lists that are equal are one and the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import lru_cache
from typing import TypeVar, cast

from opcode_htmx.engines.capabilities import CapabilityReport, Command, Model
from opcode_htmx.lib.coerce import Json

T = TypeVar("T", bound=Hashable)


def report_of(answer: Json) -> CapabilityReport:
    mode = str(answer.get("current_permission_mode") or "")
    return CapabilityReport(models_of(answer), commands_of(answer), mode)


def models_of(answer: Json) -> tuple[Model, ...]:
    models = (
        Model(
            value=value,
            resolved=_str(each.get("resolvedModel")),
            name=_str(each.get("displayName")) or value,
            description=_str(each.get("description")),
            efforts=tuple(_texts(each.get("supportedEffortLevels"))),
        )
        for each in _dicts(answer.get("models"))
        if (value := _str(each.get("value")))
    )
    return once(tuple(models))


def commands_of(answer: Json) -> tuple[Command, ...]:
    commands = (
        Command(name, _str(each.get("description")), _str(each.get("argumentHint")))
        for each in _dicts(answer.get("commands"))
        if (name := _str(each.get("name")))
    )
    return once(tuple(commands))


def once(told: T) -> T:
    """What equals `told` and was told before, if it is known still."""
    return cast("T", _first(told))


@lru_cache(maxsize=64)
def _first(told: Hashable) -> Hashable:
    return told


def _dicts(value: object) -> Iterator[Json]:
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _texts(value: object) -> Iterator[str]:
    yield from (each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
