"""What Claude says that it can do: its models and commands, from its answer to `initialize`.

Pure: the answer in, values out. What is not as expected is left out, never an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .messages import Json

DEFAULT_MODEL = "default"
"""The entry of Claude's list that means "whatever is the default"."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model to choose: `value` is what Claude takes, `resolved` the full name behind it."""

    value: str
    resolved: str
    name: str
    description: str
    efforts: tuple[str, ...]


class Command(NamedTuple):
    """A slash command or skill, without its slash."""

    name: str
    description: str
    argument_hint: str


def models_of(answer: Json) -> tuple[Model, ...]:
    return tuple(
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


def commands_of(answer: Json) -> tuple[Command, ...]:
    return tuple(
        Command(name, _str(each.get("description")), _str(each.get("argumentHint")))
        for each in _dicts(answer.get("commands"))
        if (name := _str(each.get("name")))
    )


def _dicts(value: object) -> Iterator[Json]:
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _texts(value: object) -> Iterator[str]:
    yield from (each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
