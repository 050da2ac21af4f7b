"""What an engine offers: its models and commands. Values only."""

from __future__ import annotations

from typing import NamedTuple

from opcode_htmx.lib.dataclass import dataclass

DEFAULT_MODEL = "default"
"""The entry of the list of models that means "whatever is the default"."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model to choose: `value` is what the engine takes, `resolved` the full name behind it."""

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


class CapabilityReport(NamedTuple):
    """An engine's answer to the request for its capabilities."""

    models: tuple[Model, ...]
    commands: tuple[Command, ...]
    permission_mode: str
    """The mode in force; empty if the answer does not name it."""
