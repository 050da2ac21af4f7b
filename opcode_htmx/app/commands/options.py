"""Read the options of a command: names after two dashes, each with or without a value."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import field

from opcode_htmx.lib.dataclass import dataclass


class BadUsage(Exception):
    """Arguments that mean nothing; the text says which."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was given."""

    switches: frozenset[str]
    values: dict[str, list[str]]
    operands: list[str]

    def one(self, name: str) -> str | None:
        """The value of an option that may be given once. Raises BadUsage."""
        found = self.values.get(name, [])
        if len(found) > 1:
            raise BadUsage(f"{name} is given twice.")
        return found[0] if found else None


def parse(
    arguments: Sequence[str], switches: Collection[str], with_value: Collection[str]
) -> Options:
    """`--name value` and `--name=value`; all behind `--` is an operand. Raises BadUsage."""
    found = _Found()
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        if argument == "--":
            found.operands += rest
            break
        if not argument.startswith("--"):
            found.operands.append(argument)
        elif argument in switches:
            found.switches.add(argument)
        elif name not in with_value:
            raise BadUsage(f"{name} is no option.")
        elif equals or rest:
            found.values.setdefault(name, []).append(value if equals else rest.pop(0))
        else:
            raise BadUsage(f"{name} needs a value.")
    return Options(frozenset(found.switches), found.values, found.operands)


@dataclass(slots=True)
class _Found:
    switches: set[str] = field(default_factory=set)
    values: dict[str, list[str]] = field(default_factory=dict)
    operands: list[str] = field(default_factory=list)
