"""Fold typed messages into ordered blocks. Pure: no files, no HTML, no clock.

Folding a then b is folding a + b, and Claude's history file folds into the same blocks with the
same ids as the stdout that it was written beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..claude import subagents
from ..claude.messages import (
    Assistant,
    BlockDelta,
    BlockStart,
    BlockStop,
    Content,
    ControlCancel,
    ControlResponse,
    ImageContent,
    Init,
    LongLine,
    Malformed,
    Message,
    MessageStart,
    OtherContent,
    PermissionRequest,
    SystemEvent,
    TextContent,
    ThinkingContent,
    ToolResult,
    ToolUse,
    TurnResult,
    Unknown,
    User,
)
from .blocks import (
    Block,
    ErrorBlock,
    NoticeBlock,
    PromptBlock,
    RawBlock,
    SummaryBlock,
    TextBlock,
    ToolBlock,
)
from .calls import Calls
from .contents import all_in_text
from .notes import Notes
from .notices import notice, of_long_line
from .progress import Progress
from .shelf import Shelf
from .speech import Speech
from .wording import (
    as_json,
    command_output,
    interruption,
    is_bookkeeping,
    is_command,
    prompt_text,
    told_in_a_line,
)


class Transcript:
    """The blocks of one file: a run's stdout, or a stretch of Claude's history."""

    def __init__(
        self,
        segment: str,
        *,
        run_id: str | None,
        cost_before: float | None = None,
        taken: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`segment` sorts this transcript among those of its session; `run_id` None: history.

        `cost_before` is what the session had cost in US dollars, if that is known; `taken` says
        whether a block in front of this transcript has an id.
        """
        self._run_id = run_id
        self._shelf = Shelf(segment, taken)
        self._speech = Speech(self._shelf)
        self._notes = Notes(self._shelf)
        self._calls = Calls(self._shelf, run_id or "")
        self._turn_began = 0  # the index in blocks at which this turn's begin
        self._cost = cost_before
        self.progress = Progress()
        self._session_id = ""

    @property
    def blocks(self) -> list[Block]:
        """The blocks of the top level, in order."""
        return self._shelf.blocks

    @property
    def offset(self) -> int:
        """The revision of the newest line that was folded."""
        return self._shelf.offset

    def __iter__(self) -> Iterator[Block]:
        return iter(self._shelf)

    @property
    def todo_events(self) -> list[Block]:
        """What makes up Claude's list of what it has to do; see todos.py."""
        return self._shelf.todo_events

    def changed_since(self, revision: int) -> list[Block]:
        """The blocks changed after `revision`, in order of appearance."""
        return self._shelf.changed_since(revision)

    def get(self, block_id: str) -> Block | None:
        return self._shelf.get(block_id)

    @property
    def current(self) -> Block | None:
        """What goes on: the newest tool that runs, or else the newest block."""
        tools = [b for b in self._shelf.unfinished.values() if isinstance(b, ToolBlock)]
        newest = self.blocks[-1] if self.blocks else None
        return tools[-1] if tools else newest

    def feed(self, message: Message, offset: int) -> None:
        """Fold one message, whose line ends at byte `offset`."""
        self._shelf.go_to(offset)
        self._shelf.row = getattr(message, "uuid", "")
        self.progress.take(message)
        match message:
            case Init():
                self._begin(message)
            case MessageStart():
                self._speech.begin_message(message)
            case BlockStart(content=ToolUse() as use):
                self._calls.begin(use, message.parent)
            case BlockStart():
                self._speech.begin(message)
            case BlockDelta():
                self._speech.go_on(message)
            case BlockStop():
                self._speech.end(message)
            case Assistant():
                for block_id, content in self._speech.contents(message):
                    self._complete(message, block_id, content)
            case User():
                self._user(message)
            case PermissionRequest():
                self._calls.ask(message)
            case ControlResponse() | ControlCancel():
                self._calls.answer(message)
            case TurnResult():
                self._result(message)
            case SystemEvent():
                self._system(message)
            case LongLine():
                where = f"long-{self._run_id or 'history'}-{message.offset}"
                self._notes.notice(where, of_long_line(message, self._run_id))
            case Malformed() if self._run_id:
                self._shelf.new(RawBlock, "", type="not JSON", text=message.text)
            case Unknown() if not is_bookkeeping(message, live=self._run_id is not None):
                self._shelf.new(RawBlock, "", type=message.type, text=as_json(message.raw))
            case _:
                pass

    def stand_at(self, place: str) -> None:
        """Put the blocks of what follows there among those of other transcripts."""
        self._shelf.place = place

    def settle(self, revision: int) -> None:
        """Nothing that is open goes on, although more may follow."""
        self._shelf.go_to(revision)
        self._shelf.row = ""
        self._calls.end_all()
        self._speech.cut_off()

    def close(self, error: str = "", notice: str = "") -> None:
        """The file will not grow any more: nothing that is open will be finished.

        What is to be said about its end comes as a last block, one revision behind the file.
        """
        self.settle(self.offset + 1)
        if error:
            self._shelf.new(ErrorBlock, f"end-{self._run_id}", text=error)
        if notice:
            self._shelf.new(NoticeBlock, f"notice-{self._run_id}", text=notice)

    def _begin(self, init: Init) -> None:
        """A turn begins; behind `/clear` it is one of another session."""
        if self._session_id and init.session_id not in ("", self._session_id):
            self._shelf.new(
                NoticeBlock,
                f"moved-{init.session_id}",
                text="Claude files what comes from here on as",
                session_id=init.session_id,
            )
        self._session_id = init.session_id or self._session_id

    # --- what Claude says and does ----------------------------------------------------------

    def _complete(self, message: Assistant, block_id: str, content: Content) -> None:
        """One content block, whole."""
        match content:
            case TextContent(text=text) if message.error is not None:
                self._notes.error(block_id, text, message.parent)
            case TextContent() | ThinkingContent():
                self._speech.complete(message, block_id, content)
            case ToolUse() as use:
                self._calls.call(use, message.parent)
            case OtherContent(type="redacted_thinking"):
                pass
            case OtherContent(type=type_):
                self._other(message, block_id, type_, (content,))
            case ImageContent():
                self._other(message, block_id, "image", (content,))
            case ToolResult():
                self._other(message, block_id, "tool_result", content.parts)

    def _other(
        self, message: Assistant, block_id: str, type_: str, parts: tuple[Content, ...]
    ) -> None:
        text = all_in_text(parts)
        self._shelf.new(RawBlock, block_id, message.parent, type=type_, text=text, parts=parts)

    # --- what the person and the tools say --------------------------------------------------

    def _user(self, message: User) -> None:
        if told := subagents.ended(message):
            self._calls.end_subagent(told[0])
        texts = []
        images = []
        others = []
        for content in message.content:
            match content:
                case ToolResult():
                    self._calls.result(content, message)
                case TextContent(text=text):
                    texts.append(text)
                case ImageContent():
                    images.append(content)
                case _:
                    others.append(content)
        text = "\n".join(texts)
        if message.is_meta or message.parent or message.uuid in self._shelf:
            return
        if (output := command_output(text)) is not None:
            self._command_output(message.uuid, output)
        elif sentence := interruption(text):
            self._end_turn()
            self._shelf.new(NoticeBlock, message.uuid, text=sentence)
        elif (words := prompt_text(text)) or images or others:
            prompt = self._shelf.new(
                PromptBlock, message.uuid, text=words, images=images, others=others
            )
            if is_command(text):
                # It is told behind what it printed; people read it in front
                self._shelf.bring_forward(prompt, self._turn_began)
            elif self._notes.is_retry(self.blocks[-2:-1]):
                # A first prompt is told only once the API has taken it
                self._shelf.bring_forward(prompt, len(self.blocks) - 2)

    def _system(self, event: SystemEvent) -> None:
        content = event.raw.get("content")
        output = command_output(content) if isinstance(content, str) else None
        if event.uuid in self._shelf:
            return  # told again after a compaction
        if event.subtype == "task_notification":
            self._calls.end_subagent(event.raw.get("tool_use_id"))
        if output is not None:
            self._command_output(event.uuid, output)
        elif found := notice(event):
            self._notes.notice(event.uuid, found)

    def _command_output(self, uuid: str, output: str) -> None:
        if sentence := told_in_a_line(output):
            self._shelf.new(NoticeBlock, uuid, text=sentence)
        elif output:
            self._speech.say(TextBlock, uuid, None, output)

    # --- the end of a turn ------------------------------------------------------------------

    def _result(self, message: TurnResult) -> None:
        self._end_turn()
        if message.is_error and message.reason not in ("aborted_streaming", "aborted_tools"):
            text = message.text or f"The turn ended with an error: {message.subtype}."
            self._notes.last_error(f"{message.uuid}-error", text)
        # Claude counts what the whole session has cost
        total, before = message.cost_usd, self._cost
        self._cost = total
        self._shelf.new(
            SummaryBlock,
            message.uuid,
            duration_ms=message.duration_ms,
            cost_usd=None if total is None or before is None else max(0.0, total - before),
            total_cost_usd=total,
            input_tokens=message.input_tokens,
            output_tokens=message.output_tokens,
        )
        self._turn_began = len(self.blocks)

    def _end_turn(self) -> None:
        self._calls.end_turn()
        self._speech.cut_off()
