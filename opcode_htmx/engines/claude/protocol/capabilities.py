"""Claude's capabilities: its models and commands, from its answer to `initialize`.

The answer in, values out. Unexpected values are left out, never an error. Most runs have the same
long lists and are kept for long, so equal lists are the same object.
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


def once(value: T) -> T:
    """An equal value that was given before, if it is still cached."""
    return cast("T", _first(value))


@lru_cache(maxsize=64)
def _first(value: Hashable) -> Hashable:
    return value


def _dicts(value: object) -> Iterator[Json]:
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _texts(value: object) -> Iterator[str]:
    yield from (each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
