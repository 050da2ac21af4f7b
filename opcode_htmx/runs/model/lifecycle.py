"""The lifecycle of a run: phases, events, transitions, and the commands each phase allows.

One table for the transitions and one for the commands; docs/runs.md shows both.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    QUEUED = "queued"
    """There is no process yet: the limit of processes is reached."""
    STARTING = "starting"
    """The process has been started and has written nothing yet."""
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
    """Claude has written something that belongs to a turn."""
    ASKED = "asked"
    ANSWERED = "answered"
    TURN_ENDED = "turn ended"
    STOPPED = "stopped"
    """A person, or a limit, has stopped it."""
    EXITED = "exited"
    """The process, and all that it has started, has ended."""


class RunCommand(StrEnum):
    PROMPT = "prompt"
    TAKE_BACK = "take back"
    """Take back a waiting prompt."""
    ANSWER = "answer"
    """Allow or deny a request of Claude's."""
    CHANGE = "change"
    """Its model, effort or permission mode."""
    STOP = "stop"


LIVE = frozenset(Phase) - {Phase.ENDED}
PROCESS = LIVE - {Phase.QUEUED}
"""The phases with a process."""
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
"""The next phase; a pair that is not listed leaves the phase as it is."""

RUN_COMMANDS: Mapping[RunCommand, frozenset[Phase]] = {
    RunCommand.PROMPT: LIVE - {Phase.STOPPING},
    # a prompt that an ended run has left unread may be taken off the list of waiting ones
    RunCommand.TAKE_BACK: frozenset(Phase) - {Phase.STOPPING},
    # an agent in the background may ask while a turn is open or over
    RunCommand.ANSWER: PROCESS - {Phase.STOPPING},
    RunCommand.CHANGE: PROCESS - {Phase.STOPPING},
    RunCommand.STOP: LIVE,
}
"""The phases in which a command is allowed; in others it is refused, see `refusal_reason`."""


def after(phase: Phase, event: Event) -> Phase:
    return TRANSITIONS.get((phase, event), phase)


def refusal_reason(command: RunCommand, phase: Phase) -> str:
    """Why a run refuses a command now: a sentence for the person; empty if it does not."""
    if phase in RUN_COMMANDS[command]:
        return ""
    match phase, command:
        case Phase.ENDED, RunCommand.STOP:
            return "This run has ended already."
        case Phase.QUEUED, _:
            return "Claude has not been started for this session yet."
        case Phase.STOPPING, _:
            return "Claude is being stopped; send a prompt to go on with the session."
        case _:
            return "This run has ended; send a prompt to go on with the session."
