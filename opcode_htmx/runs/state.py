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

TAKE_BACK = "take-back-"
"""How the ids of requests for a queued prompt begin, so that the answer tells what it is to."""


def words_of(prompt: User) -> str:
    """What a prompt says, as one text."""
    texts = [part.text for part in prompt.content if isinstance(part, TextContent)]
    return "\n".join(texts)


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
        self.taken_back: dict[str, bool] = {}
        """Whether Claude gave a prompt back, by the id of the request for it."""
        self._turn_open = False
        self._taken: set[str] = set()
        """Prompts that Claude took up: what it says may be read before what was sent."""

    def step(self, event: Event) -> None:
        self.phase = after(self.phase, event)

    def apply_input(self, message: Message) -> None:
        """A line that was sent to Claude."""
        if isinstance(message, User) and message.uuid not in self.sent:
            text = words_of(message)
            self.sent[message.uuid] = text
            if message.uuid not in self._taken:
                self.waiting[message.uuid] = text
                self.step(Event.PROMPTED)
        elif isinstance(message, ControlResponse):
            self._close(message.request_id)
        elif isinstance(message, PromptState):  # a note of ours, see outgoing
            if message.state == "undelivered":
                self.sent.pop(message.prompt_id, None)
            self._give_up(message.prompt_id)

    def apply_output(self, message: Message) -> None:
        """A line that Claude wrote."""
        match message:
            case Init():
                self.model = message.model
                self.slash_commands = message.slash_commands
                self._goes_on()
            case User(is_replay=True):
                self._take(message.uuid)
                self._goes_on()
            case PromptState(state="completed"):
                self._take(message.prompt_id)
            case PromptState(state="cancelled"):
                self._take(message.prompt_id)
                self._give_up(message.prompt_id)
            case PermissionRequest() if message.request_id not in self.answered:
                self.asks[message.request_id] = message
                self.step(Event.ASKED)
            case Unknown(type="control_request", raw={"request_id": str(request_id)}):
                if request_id not in self.answered:
                    self.unsupported.add(request_id)
            case ControlResponse() if message.request_id.startswith(TAKE_BACK):
                taken = message.ok and message.response.get("cancelled") is True
                self.taken_back[message.request_id] = taken
            case ControlResponse() | ControlCancel():
                self._close(message.request_id)
            case TurnResult():
                self.turns += 1
                self._turn_open = False
                self.step(Event.TURN_ENDED)
                if self.waiting:
                    self.step(Event.PROMPTED)
                if self.asks:  # of an agent in the background, which goes on
                    self.step(Event.ASKED)
            case Assistant() | MessageStart() | BlockStart() | BlockDelta():
                self._goes_on()
            case _:
                pass

    def _goes_on(self) -> None:
        self._turn_open = True
        self.step(Event.ACTIVE)

    def _give_up(self, prompt_id: str) -> None:
        """Nothing comes of this prompt; if it was all that there was to do, Claude is idle."""
        self.waiting.pop(prompt_id, None)
        if not (self.waiting or self.asks or self._turn_open):
            self.step(Event.TURN_ENDED)

    def _take(self, prompt_id: str) -> None:
        self._taken.add(prompt_id)
        self.waiting.pop(prompt_id, None)

    def _close(self, request_id: str) -> None:
        self.answered.add(request_id)
        self.unsupported.discard(request_id)
        if self.asks.pop(request_id, None) and not self.asks:
            self.step(Event.ANSWERED)
