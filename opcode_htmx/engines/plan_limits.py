"""A limit of the account's plan, as an engine reports it: a value only."""

from __future__ import annotations

from opcode_htmx.lib.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class LimitWindow:
    """How much of a limit is used in the time that it counts."""

    kind: str
    """Claude's name: `five_hour`, `seven_day`, `seven_day_opus`, …"""
    used: float | None
    """The part that is used: 1 is all of it. None where only the time of the reset is reported."""
    resets_at: float | None
    """As a Unix time."""
