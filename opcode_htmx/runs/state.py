"""What the lines of a run say about its state: phase, prompts that wait, questions that are open.

A pure fold over the lines that went in and came out: the same lines give the same state, in this
server or in the next one.
"""

from __future__ import annotations

from ..claude.messages import (
    Assistant,
    BlockDelta,
    BlockStart,
    ControlCancel,
    ControlResponse,
    Init,
    Message,
    MessageStart,
    PermissionRequest,
    PromptState,
    TextContent,
    TurnResult,
    Unknown,
    User,
)
from .phases import Event, Phase, after


class RunState:
    """The state of one run so far."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self.turns = 0
        """Turns that have ended."""
        self.model = ""
        self.slash_commands: tuple[str, ...] = ()
        self.asks: dict[str, PermissionRequest] = {}
        """Open permission requests and questions, by request id, oldest first."""
        self.unsupported: set[str] = set()
        """Requests of kinds that we do not know; Claude waits for an answer to each."""
        self.answered: set[str] = set()
        self.sent: dict[str, str] = {}
        """Every prompt sent, by its id, in order."""
        self.waiting: dict[str, str] = {}
        """The prompts among them that Claude has not taken up yet."""
        self._taken: set[str] = set()
        """Prompts that Claude took up: what it says may be read before what was sent."""

    def step(self, event: Event) -> None:
        self.phase = after(self.phase, event)

    def apply_input(self, message: Message) -> None:
        """A line that was sent to Claude."""
        if isinstance(message, User) and message.uuid not in self.sent:
            text = "\n".join(part.text for part in message.content if isinstance(part, TextContent))
            self.sent[message.uuid] = text
            if message.uuid not in self._taken:
                self.waiting[message.uuid] = text
                self.step(Event.PROMPTED)
        elif isinstance(message, ControlResponse):
            self._close(message.request_id)

    def apply_output(self, message: Message) -> None:
        """A line that Claude wrote."""
        match message:
            case Init():
                self.model = message.model
                self.slash_commands = message.slash_commands
                self.step(Event.ACTIVE)
            case User(is_replay=True):
                self._take(message.uuid)
                self.step(Event.ACTIVE)
            case PromptState(state="completed" | "cancelled"):
                self._take(message.prompt_id)
            case PermissionRequest() if message.request_id not in self.answered:
                self.asks[message.request_id] = message
                self.step(Event.ASKED)
            case Unknown(type="control_request", raw={"request_id": str(request_id)}):
                if request_id not in self.answered:
                    self.unsupported.add(request_id)
            case ControlResponse() | ControlCancel():
                self._close(message.request_id)
            case TurnResult():
                self.turns += 1
                self.step(Event.TURN_ENDED)
                if self.waiting:
                    self.step(Event.PROMPTED)
                if self.asks:  # of an agent in the background, which goes on
                    self.step(Event.ASKED)
            case Assistant() | MessageStart() | BlockStart() | BlockDelta():
                self.step(Event.ACTIVE)
            case _:
                pass

    def _take(self, prompt_id: str) -> None:
        self._taken.add(prompt_id)
        self.waiting.pop(prompt_id, None)

    def _close(self, request_id: str) -> None:
        self.answered.add(request_id)
        self.unsupported.discard(request_id)
        if self.asks.pop(request_id, None) and not self.asks:
            self.step(Event.ANSWERED)
