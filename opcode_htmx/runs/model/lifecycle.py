"""The life of a run: its phases, what can happen, what may be asked of it, and what follows.

One table for what happens and one for the verbs; docs/runs.md shows both.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    QUEUED = "queued"
    """There is no process yet: as many run already as may run at once."""
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
    LAUNCHED = "launched"
    """Its process has been started."""
    PROMPTED = "prompted"
    ACTIVE = "active"
    """Claude has said something that belongs to a turn."""
    ASKED = "asked"
    ANSWERED = "answered"
    TURN_ENDED = "turn ended"
    STOPPED = "stopped"
    """Somebody, or a limit, wants it to end."""
    EXITED = "exited"
    """The process, and all that it had started, is gone."""


class RunCommand(StrEnum):
    PROMPT = "prompt"
    TAKE_BACK = "take back"
    """A prompt that waits."""
    ANSWER = "answer"
    """Allow or deny what Claude asks."""
    CHANGE = "change"
    """Its model, effort or permission mode."""
    STOP = "stop"


LIVE = frozenset(Phase) - {Phase.ENDED}
PROCESS = LIVE - {Phase.QUEUED}
"""Those in which there is a process."""
OPEN_TURN = frozenset({Phase.STARTING, Phase.WORKING, Phase.WAITING})

TRANSITIONS: Mapping[tuple[Phase, Event], Phase] = {
    (Phase.QUEUED, Event.LAUNCHED): Phase.STARTING,
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

RUN_COMMANDS: Mapping[RunCommand, frozenset[Phase]] = {
    RunCommand.PROMPT: LIVE - {Phase.STOPPING},
    # what an ended run has left unread may be taken off the list of what waits
    RunCommand.TAKE_BACK: frozenset(Phase) - {Phase.STOPPING},
    # an agent in the background may ask while a turn is open or over
    RunCommand.ANSWER: PROCESS - {Phase.STOPPING},
    RunCommand.CHANGE: PROCESS - {Phase.STOPPING},
    RunCommand.STOP: LIVE,
}
"""In which phases a verb is allowed; in another one it is refused, with `refusal_reason`."""


def after(phase: Phase, event: Event) -> Phase:
    return TRANSITIONS.get((phase, event), phase)


def refusal_reason(verb: RunCommand, phase: Phase) -> str:
    """Why a run does not do this now: a sentence for the person; empty if it does."""
    if phase in RUN_COMMANDS[verb]:
        return ""
    match phase, verb:
        case Phase.ENDED, RunCommand.STOP:
            return "This run has ended already."
        case Phase.QUEUED, _:
            return "Claude has not been started for this session yet."
        case Phase.STOPPING, _:
            return "Claude is being stopped; send a prompt to go on with the session."
        case _:
            return "This run has ended; send a prompt to go on with the session."
