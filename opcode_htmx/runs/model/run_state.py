"""The state of a run: its phase, waiting prompts, open questions, options and background work.

A pure fold over the lines that were sent and written: the same lines give the same state, in this
server or in the next one.
"""

from __future__ import annotations

import time

from opcode_htmx.engines.base import MessageReader
from opcode_htmx.engines.capabilities import Command, Model
from opcode_htmx.engines.identifiers import INITIALIZE_ID, OWN_REQUEST_PREFIX
from opcode_htmx.engines.messages import (
    INTERRUPTED,
    Ask,
    Assistant,
    BackgroundTask,
    BlockDelta,
    BlockStart,
    ControlCancel,
    ControlResponse,
    ElicitationRequest,
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
from opcode_htmx.engines.plan_limits import LimitWindow
from opcode_htmx.engines.requests import OwnRequest
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.model.background_tasks import Background
from opcode_htmx.runs.model.lifecycle import (
    PROCESS,
    Event,
    Phase,
    after,
)
from opcode_htmx.runs.model.prompt_content import is_report, words_of

MOST_SESSIONS = 100
"""Of one run, one after the other: output that is made up may name any number."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer to a request, and its time if recorded."""

    word: str
    """A participle: allowed, denied, answered, declined…"""
    at: float | None

    @property
    def allowed(self) -> bool:
        return self.word in ("allowed", "accepted", "answered")

    def in_words(self) -> str:
        at = time.strftime(" at %H:%M", time.localtime(self.at)) if self.at else ""
        how = "" if self.word == "answered" else f": {self.word}"
        return f"This was answered already{at}{how}."


class RunState:
    """The state of one run so far. Many are kept for long, so it has to be small."""

    __slots__ = (
        "_cancelled",
        "_ended_without_result",
        "_opener",
        "_reader",
        "_requests",
        "_taken",
        "_turn_open",
        "_wrote_before_launch",
        "answered",
        "answers",
        "asks",
        "background",
        "commands",
        "effort",
        "first_model",
        "limits",
        "model",
        "models",
        "permission_mode",
        "phase",
        "responses",
        "sent",
        "session_id",
        "session_ids",
        "slash_commands",
        "turns",
        "unconfirmed",
        "unsupported",
        "waiting",
    )

    def __init__(self, reader: MessageReader) -> None:
        self._reader = reader
        self.phase = Phase.STARTING
        self.turns = 0
        """Turns that have ended."""
        self.session_id = ""
        """The session that Claude is in: after `/clear` another one than it was started for."""
        self.session_ids: tuple[str, ...] = ()
        """All sessions that it has been in, the newest MOST_SESSIONS of them."""
        self.model = ""
        self.permission_mode = ""
        """The mode in force; empty until Claude has named it."""
        self.first_model = ""
        """The one that Claude named first: a process that is started in the same way begins so."""
        self.effort: str | None = None
        """The effort that was set while running; empty: Claude's own; None: never set."""
        self.slash_commands: tuple[str, ...] = ()
        self.commands: tuple[Command, ...] = ()
        """Slash commands and skills with descriptions, once Claude has listed them."""
        self.models: tuple[Model, ...] = ()
        """The models that Claude offers, once it has listed them."""
        self.asks: dict[str, Ask] = {}
        """Open permission requests and questions, by request id, oldest first."""
        self.unsupported: dict[str, None] = {}  # as a set, at a third of the memory
        """Requests of unknown kinds; Claude waits for an answer to each."""
        self.answered: dict[str, bool] = {}
        """By id, whether Claude has withdrawn the request: then no answer counts any more."""
        self.answers: dict[str, Answer] = {}
        """The answers to Claude's requests."""
        self.unconfirmed: dict[str, Ask] = {}
        """Answered requests until Claude repeats the answer, which may not have been delivered."""
        self.responses: dict[str, ControlResponse] = {}
        """Claude's answers to our requests."""
        self._requests: dict[str, OwnRequest] = {}
        """Our requests: an answer may be read before its request."""
        self.sent: dict[str, str] = {}
        """Every prompt sent, by its id, in order."""
        self.waiting: dict[str, str] = {}
        """The prompts among them that Claude has not taken up yet."""
        self.limits: dict[str, LimitWindow] = {}
        """The limits of the plan that Claude has reported by itself, by their kinds."""
        self.background = Background()
        self._turn_open = False
        self._opener = ""
        """The prompt with which the open turn began, if Claude named it."""
        self._ended_without_result = ""
        """The prompt of the last turn, if it has ended without a result so far."""
        self._taken: dict[str, None] = {}
        """Prompts that Claude took up, or that a person took back: output may be read before the
        input that it belongs to."""
        self._cancelled: dict[str, None] = {}
        self._wrote_before_launch = False
        """Whether output was read before the record that says that it has been started."""

    @property
    def still_running(self) -> tuple[BackgroundTask, ...]:
        """Running background tasks and schedules; none where there is no process."""
        return self.background.running(time.time()) if self.phase in PROCESS else ()

    def step(self, event: Event) -> None:
        self.phase = after(self.phase, event)

    def launched(self) -> None:
        """Its process has been started; output may have been read already."""
        self.step(Event.LAUNCHED)
        if self._wrote_before_launch:
            self._wrote_before_launch = False
            if self._turn_open:
                self.step(Event.ACTIVE)
            if self.asks:
                self.step(Event.ASKED)
            self._settle_phase()

    def apply_input(self, message: Message) -> None:
        """Fold a line that was sent to Claude."""
        if isinstance(message, User) and message.uuid not in self.sent:
            text = words_of(message)
            self.sent[message.uuid] = text
            self._recount()
            if message.uuid in self.waiting:
                self.step(Event.PROMPTED)
        elif isinstance(message, ControlResponse):
            if ask := self.asks.get(message.request_id):
                self.unconfirmed[message.request_id] = ask
            self._answer(message)
        elif isinstance(message, Unknown):
            request = self._reader.own_request(message)
            # every run has this one, and its content is not needed
            if request and request.request_id != INITIALIZE_ID:
                self._requests[request.request_id] = request
                self._recount()
                self._settle(request.request_id)
        elif isinstance(message, PromptState):  # a note of ours, see Encoder.undelivered_line
            if message.state == "undelivered" and message.prompt_id in self.sent:
                del self.sent[message.prompt_id]
                self._give_up()
            elif message.state == "undelivered":
                self._reopen(message.prompt_id)
            else:
                self._give_up(message.prompt_id)

    def apply_output(self, message: Message) -> None:
        """Fold a line that Claude has written."""
        self._wrote_before_launch |= self.phase is Phase.QUEUED
        self.background.apply(message)
        match message:
            case Init():
                self._come_into(message.session_id)
                self.model = message.model
                self.first_model = self.first_model or message.model
                self.permission_mode = message.permission_mode or self.permission_mode
                self.slash_commands = message.slash_commands
                self._continue_turn()
            case User(is_replay=True) if message.uuid not in self.sent and self._is_report(message):
                pass
            case User(is_replay=True):
                self._take(message.uuid)
                self._continue_turn()
            case PromptState(state="started"):
                if not self._turn_open:
                    self._opener = message.prompt_id
                self._continue_turn()
            case PromptState(state="completed"):
                self._take(message.prompt_id)
                self._end_turn_of(message.prompt_id)
            case PromptState(state="cancelled"):
                self._cancelled[message.prompt_id] = None
                self._recount()
                self._end_turn_of(message.prompt_id)
            case PermissionRequest() | ElicitationRequest() if (
                message.request_id not in self.answered
            ):
                self.asks[message.request_id] = message
                self.step(Event.ASKED)
            case Unknown():
                request_id = self._reader.unsupported_request(message)
                if request_id is not None and request_id not in self.answered:
                    self.unsupported[request_id] = None
            case SystemEvent():
                mode = self._reader.permission_mode_in(message)
                self.permission_mode = self.permission_mode if mode is None else mode
                self.limits.update((each.kind, each) for each in self._reader.limits_in(message))
            case ControlResponse() if message.request_id == INITIALIZE_ID:
                self._apply_capabilities(message)
            case ControlResponse() if message.request_id.startswith(OWN_REQUEST_PREFIX):
                self.responses[message.request_id] = message
                self._settle(message.request_id)
            case ControlResponse():
                self._answer(message)
                self.unconfirmed.pop(message.request_id, None)
            case ControlCancel():
                if self.unconfirmed.pop(message.request_id, None):
                    self.answers.pop(message.request_id, None)  # Claude has not taken it
                self._close(message.request_id, withdrawn=True)
            case TurnResult():
                self._end_turn(message)
            case Assistant() | MessageStart() | BlockStart() | BlockDelta():
                # a background agent writes between the turns, too
                if message.parent is None or not self.background.tasks:
                    self._continue_turn()
            case _:
                pass

    def _come_into(self, session_id: str) -> None:
        if session_id and session_id != self.session_id:
            self.session_id = session_id
            others = (each for each in self.session_ids if each != session_id)
            self.session_ids = (*others, session_id)[-MOST_SESSIONS:]

    def _is_report(self, message: User) -> bool:
        return is_report(self._reader.parts_of(message))

    def _continue_turn(self) -> None:
        self._turn_open = True
        self.step(Event.ACTIVE)

    def _end_turn(self, result: TurnResult) -> None:
        if self._ended_without_result not in result.prompt_ids:
            self.turns += 1
        self._turn_open, self._opener, self._ended_without_result = False, "", ""
        if result.reason not in INTERRUPTED:  # an interrupted prompt may be sent again
            self._take(*result.prompt_ids)
        self.step(Event.TURN_ENDED)
        if self.waiting:
            self.step(Event.PROMPTED)
        if self.asks:  # of a background agent, which goes on
            self.step(Event.ASKED)

    def _end_turn_of(self, prompt_id: str) -> None:
        """Claude has completed a prompt: this ends its turn, unless a result has done so before."""
        if self._turn_open and prompt_id == self._opener:
            self._turn_open, self._opener = False, ""
            self._ended_without_result = prompt_id
            self.turns += 1
        self._settle_phase()

    def _settle_phase(self) -> None:
        """Claude is idle if there is nothing left to do."""
        if not (self.waiting or self.asks or self._turn_open):
            self.step(Event.TURN_ENDED)

    def _give_up(self, *prompt_ids: str) -> None:
        """Claude will not answer these prompts."""
        self._take(*prompt_ids)
        self._settle_phase()

    def _take(self, *prompt_ids: str) -> None:
        self._taken |= dict.fromkeys(prompt_ids)
        self._recount()

    def _recount(self) -> None:
        """Find the waiting prompts, whichever file was read first."""
        # prompts that Stop has taken out of Claude's queue wait for a person's decision
        queue_cancelled = any(request.cancels_queue for request in self._requests.values())
        gone = self._taken if queue_cancelled else self._taken | self._cancelled
        self.waiting = {each: text for each, text in self.sent.items() if each not in gone}

    def _answer(self, message: ControlResponse) -> None:
        answer = Answer(self._reader.answer_in(message), message.answered_at)
        if not self.answered.get(message.request_id):  # Claude reads no answer to what it withdrew
            self.answers.setdefault(message.request_id, answer)
        self._close(message.request_id)

    def _reopen(self, request_id: str) -> None:
        """The answer did not reach Claude: its request is open again, unless it was withdrawn."""
        if self.answered.get(request_id):
            return
        self.answered.pop(request_id, None)
        self.answers.pop(request_id, None)
        if ask := self.unconfirmed.pop(request_id, None):
            self.asks[request_id] = ask
            self.step(Event.ASKED)

    def _apply_capabilities(self, message: ControlResponse) -> None:
        """Take the capabilities from Claude's answer, which is long and is not kept."""
        if message.ok:
            report = self._reader.capabilities_of(message.response)
            self.models, self.commands = report.models, report.commands
            self.permission_mode = self.permission_mode or report.permission_mode
        if self.phase is Phase.STARTING:  # Claude is ready; a warm start has no prompt yet
            self.step(Event.TURN_ENDED)
            if self.waiting:
                self.step(Event.PROMPTED)

    def _settle(self, request_id: str) -> None:
        """Apply the changes that Claude has agreed to."""
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

    def _close(self, request_id: str, *, withdrawn: bool = False) -> None:
        self.answered[request_id] = withdrawn or self.answered.get(request_id, False)
        self.unsupported.pop(request_id, None)
        if self.asks.pop(request_id, None) and not self.asks:
            self.step(Event.ANSWERED)
            self._settle_phase()
