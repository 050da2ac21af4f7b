"""Fold typed messages into ordered blocks. Pure: no files, no HTML, no clock.

Folding a then b is folding a + b, and Claude's history file folds into the same blocks with the
same ids as the stdout that it was written beside.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from opcode_htmx.engines.claude.protocol.user_entries import parts_of, parts_of_event
from opcode_htmx.engines.messages import (
    INTERRUPTED,
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
    PromptState,
    SystemEvent,
    TextContent,
    ThinkingContent,
    ToolResult,
    ToolUse,
    TurnResult,
    Unknown,
    User,
)
from opcode_htmx.engines.user_parts import Interruption, TaskNotification
from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import (
    Block,
    ErrorBlock,
    NoticeBlock,
    RawBlock,
    SummaryBlock,
    ToolBlock,
)
from opcode_htmx.transcript.cli_text import as_json, is_bookkeeping
from opcode_htmx.transcript.content.other_content import all_in_text
from opcode_htmx.transcript.context_usage import Progress
from opcode_htmx.transcript.notice_blocks import NoticeBlocks
from opcode_htmx.transcript.notices import notice, of_long_line
from opcode_htmx.transcript.text_stream import TextStream
from opcode_htmx.transcript.tool_calls import ToolCalls
from opcode_htmx.transcript.unread_prompts import UnreadPrompts
from opcode_htmx.transcript.user_blocks import UserBlocks

log = logging.getLogger(__name__)


class Transcript:
    """The blocks of one file: a run's stdout, or a stretch of Claude's history."""

    def __init__(
        self,
        segment: str,
        *,
        run_id: str | None,
        cost_before: float | None = None,
        taken: Callable[[str], bool] = lambda _: False,
        sent_text: Callable[[str], str | None] = lambda _: None,
        sent_prompt: Callable[[str], User | None] = lambda _: None,
    ) -> None:
        """`segment` sorts this transcript among those of its session; `run_id` None: history.

        `cost_before` is what the session had cost in US dollars, if that is known; `taken` says
        whether a block in front of this transcript has an id. `sent_text` gives the text that was
        sent to the run under an id, `sent_prompt` the whole prompt, which Claude may never repeat.
        """
        self._run_id = run_id
        self._shelf = BlockStore(segment, taken)
        self._speech = TextStream(self._shelf)
        self._notes = NoticeBlocks(self._shelf)
        self._user_blocks = UserBlocks(self._shelf, self._speech, self._notes)
        self._calls = ToolCalls(self._shelf, run_id or "")
        self._sent_text = sent_text
        self._unread = UnreadPrompts(self._shelf, sent_prompt)
        self._assistant_lines: set[tuple[str, str, int | None]] = set()
        """Those of a history file, by their ids: one may stand there twice."""
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
        try:
            self._fold(message)
        except Exception:
            # What the line did to the blocks before it failed stays
            self.add_failed(type(message).__name__, _data_of(message), offset)

    def add_failed(self, kind: str, text: str, offset: int) -> None:
        """Log the exception that is being handled, and keep its line, up to `offset`, as text."""
        name = f"run {self._run_id}" if self._run_id else "a history file"
        log.exception("the line of %s up to byte %d cannot be folded", name, offset)
        self._shelf.go_to(offset)
        self._shelf.new(RawBlock, "", type=kind, text=text)

    def _fold(self, message: Message) -> None:
        self.progress.take(message)
        if self._is_repeated(message):
            return
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
                self._speech.append(message)
            case BlockStop():
                self._speech.end(message)
            case Assistant():
                for block_id, content in self._speech.contents(message):
                    self._complete(message, block_id, content)
            case PromptState(state="completed"):
                self._unread.complete(message.prompt_id, self._turn_began)
            case User(is_refused=True) if message.uuid not in self._shelf:
                self._unread.add(message, refused=True)
            case User():
                self._user(message)
                self._unread.read(message.uuid)
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

    @property
    def refused(self) -> Iterable[str]:
        """The ids under which the commands can be sent as text that Claude Code refused here."""
        return self._unread.refused

    def note_sent_as_text(self, prompt_id: str) -> Block | None:
        """A later run has read the words of a refused command; the block of that command."""
        return self._unread.read(prompt_id)

    def stand_at(self, place: str) -> None:
        """Put the blocks of what follows there among those of other transcripts."""
        self._shelf.stand_at(place)

    def settle(self, revision: int) -> None:
        """Nothing that is open goes on, although more may follow."""
        self._shelf.go_to(revision)
        self._shelf.row = ""
        self._calls.end_all()
        self._speech.cut_off()

    def _is_repeated(self, message: Message) -> bool:
        """Whether Claude's words stand in the history a second time, under the same uuid."""
        if self._run_id or not isinstance(message, Assistant) or not message.uuid:
            return False
        line = message.uuid, message.message_id, message.index
        if line in self._assistant_lines:
            return True
        self._assistant_lines.add(line)
        return False

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
        parts = parts_of(message, self._sent_text)
        for content in message.content:
            if isinstance(content, ToolResult):
                self._calls.result(content, message)
        for part in parts:
            if isinstance(part, TaskNotification):
                self._calls.end_subagent(part.tool_use_id)
        if message.parent or self._user_blocks.has(message.uuid):
            return
        if any(isinstance(part, Interruption) for part in parts):
            self._end_turn()
        self._user_blocks.add_all(message, parts, self._turn_began)

    def _system(self, event: SystemEvent) -> None:
        if event.uuid in self._shelf:
            return  # told again after a compaction
        if event.subtype == "task_notification":
            self._calls.end_subagent(event.raw.get("tool_use_id"))
        if parts := parts_of_event(event):
            self._user_blocks.add_all_of_event(event, parts, self._turn_began)
        elif found := notice(event):
            self._notes.notice(event.uuid, found)

    # --- the end of a turn ------------------------------------------------------------------

    def _result(self, message: TurnResult) -> None:
        self._end_turn()
        self._unread.complete_all(message, self._turn_began)
        if message.is_error and message.reason not in INTERRUPTED:
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


def _data_of(message: Message) -> str:
    """What a message holds, for a line that cannot be folded."""
    try:
        return as_json(asdict(message))
    except Exception:
        return "Its data cannot be shown."
