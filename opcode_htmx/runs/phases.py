"""The life of a run: its phases, what can happen, and the one table that says what follows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    STARTING = "starting"
    """The process has been started and has not said anything yet."""
    WORKING = "working"
    """A turn is open."""
    WAITING = "waiting"
    """Claude has asked the person and cannot go on without an answer."""
    IDLE = "idle"
    """The turn is over; the process waits for the next prompt."""
    STOPPING = "stopping"
    """The process is being ended."""
    ENDED = "ended"
    """The process is gone; the record says how it ended."""


class Event(StrEnum):
    PROMPTED = "prompted"
    ACTIVE = "active"
    ASKED = "asked"
    ANSWERED = "answered"
    TURN_ENDED = "turn ended"
    STOPPED = "stopped"
    EXITED = "exited"


LIVE = frozenset(Phase) - {Phase.ENDED}
OPEN_TURN = frozenset({Phase.STARTING, Phase.WORKING, Phase.WAITING})

TRANSITIONS: Mapping[tuple[Phase, Event], Phase] = {
    (Phase.STARTING, Event.ACTIVE): Phase.WORKING,
    (Phase.STARTING, Event.ASKED): Phase.WAITING,
    (Phase.STARTING, Event.TURN_ENDED): Phase.IDLE,
    (Phase.WORKING, Event.ASKED): Phase.WAITING,
    (Phase.WORKING, Event.TURN_ENDED): Phase.IDLE,
    (Phase.WAITING, Event.ANSWERED): Phase.WORKING,
    (Phase.WAITING, Event.TURN_ENDED): Phase.IDLE,
    (Phase.IDLE, Event.PROMPTED): Phase.WORKING,
    (Phase.IDLE, Event.ACTIVE): Phase.WORKING,
    (Phase.IDLE, Event.ASKED): Phase.WAITING,
    **{(phase, Event.STOPPED): Phase.STOPPING for phase in LIVE},
    **{(phase, Event.EXITED): Phase.ENDED for phase in LIVE},
}
"""What follows; a pair that is not listed leaves the phase as it is."""


def after(phase: Phase, event: Event) -> Phase:
    return TRANSITIONS.get((phase, event), phase)
