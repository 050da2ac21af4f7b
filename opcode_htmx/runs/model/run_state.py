"""What the lines of a run say about its state: phase, prompts that wait, questions that are open.

A pure fold over the lines that went in and came out: the same lines give the same state, in this
server or in the next one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from opcode_htmx.engines.base import MessageReader
from opcode_htmx.engines.capabilities import Command, Model
from opcode_htmx.engines.identifiers import INITIALIZE_ID, OWN_REQUEST_PREFIX
from opcode_htmx.engines.messages import (
    INTERRUPTED,
    Assistant,
    BackgroundTask,
    BlockDelta,
    BlockStart,
    ControlCancel,
    ControlResponse,
    Init,
    Message,
    MessageStart,
    PermissionRequest,
    PromptState,
    SystemEvent,
    TurnResult,
    Unknown,
    User,
)
from opcode_htmx.engines.requests import OwnRequest
from opcode_htmx.runs.model.background_tasks import Background
from opcode_htmx.runs.model.lifecycle import (
    PROCESS,
    Event,
    Phase,
    after,
)
from opcode_htmx.runs.model.prompt_content import is_report, words_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answered to a request, and when, if that was noted."""

    allowed: bool
    at: float | None

    def in_words(self) -> str:
        at = time.strftime(" at %H:%M", time.localtime(self.at)) if self.at else ""
        return f"This was answered already{at}: {'allowed' if self.allowed else 'denied'}."


class RunState:
    """The state of one run so far. Many are kept for long, so it is to be small."""

    __slots__ = (
        "_cancelled",
        "_ended_without_result",
        "_opener",
        "_reader",
        "_requests",
        "_taken",
        "_turn_open",
        "_unheard",
        "answered",
        "answers",
        "asks",
        "background",
        "commands",
        "effort",
        "model",
        "models",
        "permission_mode",
        "phase",
        "responses",
        "sent",
        "session_id",
        "slash_commands",
        "turns",
        "unsupported",
        "waiting",
    )

    def __init__(self, reader: MessageReader) -> None:
        self._reader = reader
        self.phase = Phase.STARTING
        self.turns = 0
        """Turns that have ended."""
        self.session_id = ""
        """The session that Claude is in: behind `/clear` another one than it was started for."""
        self.model = ""
        self.permission_mode = ""
        """The mode in force; empty until Claude has named it."""
        self.effort: str | None = None
        """The effort that was set in mid-run; empty for Claude's own, None if it never was."""
        self.slash_commands: tuple[str, ...] = ()
        self.commands: tuple[Command, ...] = ()
        """Slash commands and skills with what they do, once Claude has listed them."""
        self.models: tuple[Model, ...] = ()
        """The models that Claude offers, once it has listed them."""
        self.asks: dict[str, PermissionRequest] = {}
        """Open permission requests and questions, by request id, oldest first."""
        self.unsupported: dict[str, None] = {}  # as a set, at a third of the memory
        """Requests of kinds that we do not know; Claude waits for an answer to each."""
        self.answered: dict[str, None] = {}
        self.answers: dict[str, Answer] = {}
        """What was answered to Claude's requests."""
        self._unheard: dict[str, PermissionRequest] = {}
        """What was answered, until Claude has repeated the answer: it may not have got through."""
        self.responses: dict[str, ControlResponse] = {}
        """What Claude answered to our requests."""
        self._requests: dict[str, OwnRequest] = {}
        """Our requests: an answer may be read before the request that it belongs to."""
        self.sent: dict[str, str] = {}
        """Every prompt sent, by its id, in order."""
        self.waiting: dict[str, str] = {}
        """The prompts among them that Claude has not taken up yet."""
        self.background = Background()
        self._turn_open = False
        self._opener = ""
        """The prompt with which the open turn began, if Claude said that it began one."""
        self._ended_without_result = ""
        """The prompt of the last turn that ended without a result so far."""
        self._taken: dict[str, None] = {}
        """Prompts that Claude took up, or that a person took back: what it says may be read before
        what was sent."""
        self._cancelled: dict[str, None] = {}

    @property
    def still_running(self) -> tuple[BackgroundTask, ...]:
        """Background tasks that run, and what is scheduled; none where there is no process."""
        return self.background.running(time.time()) if self.phase in PROCESS else ()

    def step(self, event: Event) -> None:
        self.phase = after(self.phase, event)

    def apply_input(self, message: Message) -> None:
        """A line that was sent to Claude."""
        if isinstance(message, User) and message.uuid not in self.sent:
            text = words_of(message)
            self.sent[message.uuid] = text
            self._recount()
            if message.uuid in self.waiting:
                self.step(Event.PROMPTED)
        elif isinstance(message, ControlResponse):
            if ask := self.asks.get(message.request_id):
                self._unheard[message.request_id] = ask
            self._answer(message)
        elif isinstance(message, Unknown):
            request = self._reader.own_request(message)
            # every run has this one, and nobody asks what was in it
            if request and request.request_id != INITIALIZE_ID:
                self._requests[request.request_id] = request
                self._recount()
                self._settle(request.request_id)
        elif isinstance(message, PromptState):  # a note of ours, see outgoing
            if message.state == "undelivered" and message.prompt_id in self.sent:
                del self.sent[message.prompt_id]
                self._give_up()
            elif message.state == "undelivered":
                self._ask_again(message.prompt_id)
            else:
                self._give_up(message.prompt_id)

    def apply_output(self, message: Message) -> None:
        """A line that Claude wrote."""
        self.background.apply(message)
        match message:
            case Init():
                self.session_id = message.session_id or self.session_id
                self.model = message.model
                self.permission_mode = message.permission_mode or self.permission_mode
                self.slash_commands = message.slash_commands
                self._goes_on()
            case User(is_replay=True) if message.uuid not in self.sent and self._is_report(message):
                pass
            case User(is_replay=True):
                self._take(message.uuid)
                self._goes_on()
            case PromptState(state="started"):
                if not self._turn_open:
                    self._opener = message.prompt_id
                self._goes_on()
            case PromptState(state="completed"):
                self._take(message.prompt_id)
                self._end_turn_of(message.prompt_id)
            case PromptState(state="cancelled"):
                self._cancelled[message.prompt_id] = None
                self._recount()
                self._end_turn_of(message.prompt_id)
            case PermissionRequest() if message.request_id not in self.answered:
                self.asks[message.request_id] = message
                self.step(Event.ASKED)
            case Unknown():
                request_id = self._reader.unsupported_request(message)
                if request_id is not None and request_id not in self.answered:
                    self.unsupported[request_id] = None
            case SystemEvent():
                mode = self._reader.permission_mode_in(message)
                self.permission_mode = self.permission_mode if mode is None else mode
            case ControlResponse() if message.request_id == INITIALIZE_ID:
                self._take_over_offer(message)
            case ControlResponse() if message.request_id.startswith(OWN_REQUEST_PREFIX):
                self.responses[message.request_id] = message
                self._settle(message.request_id)
            case ControlResponse():
                self._answer(message)
                self._unheard.pop(message.request_id, None)
            case ControlCancel():
                self._close(message.request_id)
            case TurnResult():
                if self._ended_without_result not in message.prompt_ids:
                    self.turns += 1
                self._turn_open, self._opener, self._ended_without_result = False, "", ""
                if message.reason not in INTERRUPTED:  # else it may be sent again
                    self._take(*message.prompt_ids)
                self.step(Event.TURN_ENDED)
                if self.waiting:
                    self.step(Event.PROMPTED)
                if self.asks:  # of an agent in the background, which goes on
                    self.step(Event.ASKED)
            case Assistant() | MessageStart() | BlockStart() | BlockDelta():
                # an agent in the background speaks between the turns, too
                if message.parent is None or not self.background.tasks:
                    self._goes_on()
            case _:
                pass

    def _is_report(self, message: User) -> bool:
        return is_report(self._reader.parts_of(message))

    def _goes_on(self) -> None:
        self._turn_open = True
        self.step(Event.ACTIVE)

    def _end_turn_of(self, prompt_id: str) -> None:
        """Claude is done with a prompt: so is its turn, where no result has said that before."""
        if self._turn_open and prompt_id == self._opener:
            self._turn_open, self._opener = False, ""
            self._ended_without_result = prompt_id
            self.turns += 1
        self._settle_phase()

    def _settle_phase(self) -> None:
        """If there is nothing left to do, Claude is idle."""
        if not (self.waiting or self.asks or self._turn_open):
            self.step(Event.TURN_ENDED)

    def _give_up(self, *prompt_ids: str) -> None:
        """Nothing comes of these."""
        self._take(*prompt_ids)
        self._settle_phase()

    def _take(self, *prompt_ids: str) -> None:
        self._taken |= dict.fromkeys(prompt_ids)
        self._recount()

    def _recount(self) -> None:
        """Which prompts wait, whatever was read first."""
        # what Stop swept out of Claude's queue waits for a person to say what becomes of it
        swept = any(request.cancels_queue for request in self._requests.values())
        gone = self._taken if swept else self._taken | self._cancelled
        self.waiting = {each: text for each, text in self.sent.items() if each not in gone}

    def _answer(self, message: ControlResponse) -> None:
        answer = Answer(message.response.get("behavior") == "allow", message.answered_at)
        self.answers.setdefault(message.request_id, answer)
        self._close(message.request_id)

    def _ask_again(self, request_id: str) -> None:
        """The answer did not reach Claude, who still waits for one."""
        self.answered.pop(request_id, None)
        self.answers.pop(request_id, None)
        if ask := self._unheard.pop(request_id, None):
            self.asks[request_id] = ask
            self.step(Event.ASKED)

    def _take_over_offer(self, message: ControlResponse) -> None:
        """What Claude tells about itself in every run; the answer is long and is not kept."""
        if message.ok:
            report = self._reader.capabilities_of(message.response)
            self.models, self.commands = report.models, report.commands
            self.permission_mode = self.permission_mode or report.permission_mode

    def _settle(self, request_id: str) -> None:
        """Take over what Claude has agreed to."""
        request, response = self._requests.get(request_id), self.responses.get(request_id)
        if request is None or response is None:
            return
        agreed = self._reader.agreed(request, response)
        if agreed.model is not None:
            self.model = agreed.model
        if agreed.effort is not None:
            self.effort = agreed.effort
        if agreed.permission_mode is not None:
            self.permission_mode = agreed.permission_mode
        if agreed.cancelled_prompt is not None:
            self._give_up(agreed.cancelled_prompt)

    def _close(self, request_id: str) -> None:
        self.answered[request_id] = None
        self.unsupported.pop(request_id, None)
        if self.asks.pop(request_id, None) and not self.asks:
            self.step(Event.ANSWERED)
            self._settle_phase()
