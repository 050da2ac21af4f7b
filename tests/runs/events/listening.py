"""Helpers of the event tests: recording handlers, and readers of the journal."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from opcode_htmx.runs.events import types
from opcode_htmx.runs.events.bus import EventBus
from opcode_htmx.runs.events.journal import Journal, Position
from opcode_htmx.runs.events.types import RunEvent

E = TypeVar("E", bound=RunEvent)


class Heard:
    """The events that one worker's handlers were given."""

    def __init__(self, bus: EventBus) -> None:
        self.once: list[RunEvent] = []
        """By the handler that is called in one worker."""
        self.everywhere: list[RunEvent] = []
        """By the handler that is called in every worker."""
        bus.subscribe(RunEvent, self.once.append)
        bus.subscribe(RunEvent, self.everywhere.append, every_worker=True)
        bus.start()


def in_journal(state: Path) -> list[RunEvent]:
    """All events that were emitted over a state folder, in order; each id is there once."""
    lines = Journal(state / "events").lines_after(Position(0, 0))
    entries = [types.decode(line) for line in lines]
    events = [entry.event for entry in entries if entry]
    ids = [event.id for event in events]
    assert len(set(ids)) == len(ids), ids
    return events


def names(events: list[RunEvent]) -> list[str]:
    return [types.name_of(type(event)) for event in events]


def only(kind: type[E], events: list[RunEvent]) -> E:
    """The only event of a kind."""
    (found,) = (event for event in events if isinstance(event, kind))
    return found
