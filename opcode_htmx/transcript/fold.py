"""Fold typed messages into ordered blocks. Pure: no files, no HTML, no clock.

fold(a) + fold(b) = fold(a + b), and Claude's history file folds into the same blocks, with the same
ids, as the stdout of the same run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from opcode_htmx.engines.claude.protocol.user_entries import parts_of, parts_of_event
from opcode_htmx.engines.contents import (
    Content,
    ImageContent,
    OtherContent,
    TextContent,
    ThinkingContent,
    ToolResult,
    ToolUse,
)
from opcode_htmx.engines.messages import (
    Assistant,
    BlockDelta,
    BlockStart,
    BlockStop,
    ControlCancel,
    ControlResponse,
    ElicitationRequest,
    Init,
    LongLine,
    Malformed,
    Message,
    MessageStart,
    PermissionRequest,
    PromptState,
    SystemEvent,
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
    ToolBlock,
)
from opcode_htmx.transcript.cli_text import as_json, is_bookkeeping
from opcode_htmx.transcript.content.other_content import all_as_text
from opcode_htmx.transcript.context_usage import ContextUsage
from opcode_htmx.transcript.parts.notice_blocks import NoticeBlocks
from opcode_htmx.transcript.parts.notices import long_line_notice, notice
from opcode_htmx.transcript.parts.text_stream import TextStream
from opcode_htmx.transcript.parts.tool_calls import ToolCalls
from opcode_htmx.transcript.parts.turns import Turns
from opcode_htmx.transcript.parts.unread_prompts import UnreadPrompts
from opcode_htmx.transcript.parts.user_blocks import UserBlocks

log = logging.getLogger(__name__)


class Transcript:
    """The blocks of one file: a run's stdout, or Claude's history."""

    def __init__(
        self,
        segment: str,
        *,
        run_id: str | None,
        cost_before: float | None = None,
        is_taken: Callable[[str], bool] = lambda _: False,
        sent_text: Callable[[str], str | None] = lambda _: None,
        sent_prompt: Callable[[str], User | None] = lambda _: None,
    ) -> None:
        """`segment` sorts this transcript among those of its session; `run_id` None: history.

        `cost_before` is the session's cost so far in US dollars, if known; `is_taken` says whether
        an earlier transcript has a block with an id. `sent_text` returns the text that was sent to
        the run under an id, `sent_prompt` the whole prompt, which Claude may never repeat.
        """
        self._run_id = run_id
        self._store = BlockStore(segment, is_taken)
        self._text_stream = TextStream(self._store)
        self._notice_blocks = NoticeBlocks(self._store)
        self._user_blocks = UserBlocks(self._store, self._text_stream, self._notice_blocks)
        self._tool_calls = ToolCalls(self._store, run_id or "")
        self._sent_text = sent_text
        self._unread_prompts = UnreadPrompts(self._store, sent_prompt)
        self._assistant_lines: set[tuple[str, str, int | None]] = set()
        """The ids of those in a history file, which may hold a line twice."""
        self._turns = Turns(self._store, self._notice_blocks, cost_before)
        self.context_usage = ContextUsage()
        self.is_interrupted = False
        """Whether the user has interrupted a turn, which finishes all that is open."""

    @property
    def blocks(self) -> list[Block]:
        """The blocks of the top level, in order."""
        return self._store.blocks

    @property
    def offset(self) -> int:
        """The revision of the newest folded line."""
        return self._store.offset

    def __iter__(self) -> Iterator[Block]:
        return iter(self._store)

    @property
    def todo_events(self) -> list[Block]:
        """The blocks that Claude's to-do list follows from; see todos.py."""
        return self._store.todo_events

    def changed_since(self, revision: int) -> list[Block]:
        """The blocks changed after `revision`, in the order of the page."""
        return self._store.changed_since(revision)

    def get(self, block_id: str) -> Block | None:
        return self._store.get(block_id)

    def shown(self, block_id: str) -> Block | None:
        """The same, unless the block was dropped."""
        block = self._store.get(block_id)
        return None if block is None or self._store.is_dropped(block) else block

    @property
    def current(self) -> Block | None:
        """The current activity: the newest tool that runs, or else the newest block."""
        tools = [b for b in self._store.unfinished.values() if isinstance(b, ToolBlock)]
        newest = self.blocks[-1] if self.blocks else None
        return tools[-1] if tools else newest

    def feed(self, message: Message, offset: int) -> None:
        """Fold one message, whose line ends at byte `offset`."""
        self._store.advance(offset)
        self._store.line_uuid = getattr(message, "uuid", "")
        try:
            self._fold(message)
        except Exception:
            # Changes that the line has made to blocks before it failed are kept
            self.add_failed(type(message).__name__, _data_of(message), offset)

    def add_failed(self, kind: str, text: str, offset: int) -> None:
        """Log the current exception, and add its line, which ends at `offset`, as a RawBlock."""
        name = f"run {self._run_id}" if self._run_id else "a history file"
        log.exception("the line of %s up to byte %d cannot be folded", name, offset)
        self._store.advance(offset)
        self._store.new(RawBlock, "", type=kind, text=text)

    def _fold(self, message: Message) -> None:
        self.context_usage.add(message)
        if self._is_repeated(message):
            return
        match message:
            case Init():
                self._turns.begin(message)
            case MessageStart():
                self._text_stream.begin_message(message)
            case BlockStart(content=ToolUse() as use):
                self._tool_calls.begin(use, message.parent)
            case BlockStart():
                self._text_stream.begin(message)
            case BlockDelta():
                self._text_stream.append(message)
            case BlockStop():
                self._text_stream.end(message)
            case Assistant():
                for block_id, content in self._text_stream.contents(message):
                    self._complete(message, block_id, content)
            case PromptState(state="completed"):
                self._unread_prompts.complete(message.prompt_id, self._turns.start)
            case User(is_refused=True) if message.uuid not in self._store:
                self._unread_prompts.add(message, refused=True)
            case User():
                self._user(message)
                self._unread_prompts.mark_read(message.uuid)
            case PermissionRequest() | ElicitationRequest():
                self._tool_calls.ask(message)
            case ControlResponse() | ControlCancel():
                self._tool_calls.answer(message)
            case TurnResult():
                self._result(message)
            case SystemEvent():
                self._system(message)
            case LongLine():
                block_id = f"long-{self._run_id or 'history'}-{message.offset}"
                self._notice_blocks.add(block_id, long_line_notice(message, self._run_id))
            case Malformed() if self._run_id:
                self._store.new(RawBlock, "", type="not JSON", text=message.text)
            case Unknown() if not is_bookkeeping(message, live=self._run_id is not None):
                self._store.new(RawBlock, "", type=message.type, text=as_json(message.raw))
            case _:
                pass

    @property
    def refused(self) -> Iterable[str]:
        """The ids under which commands that Claude Code refused here can be sent as text."""
        return self._unread_prompts.refused

    def mark_sent_as_text(self, prompt_id: str) -> Block | None:
        """Note that a later run has read a refused command as text; the block of the command."""
        return self._unread_prompts.mark_read(prompt_id)

    def set_place(self, place: str) -> None:
        """Sort the following blocks at `place` among those of other transcripts."""
        self._store.set_place(place)

    def drop_all(self) -> None:
        """Drop the blocks so far, which are only the context of those that follow."""
        self._store.drop_all()
        self._turns.start = 0
        self.is_interrupted = False

    @property
    def reaches_back(self) -> bool:
        """Whether a line has referred to a block that was dropped."""
        return self._store.reaches_back

    def end_turn(self) -> None:
        """Finish the blocks that an interruption in a later part of the file finishes."""
        self._store.line_uuid = ""
        self._end_turn()

    def settle(self, revision: int) -> None:
        """Finish all blocks that are open, although more lines may follow."""
        self._store.advance(revision)
        self._store.line_uuid = ""
        self._tool_calls.end_all()
        self._text_stream.interrupt()

    def _is_repeated(self, message: Message) -> bool:
        """Whether the history holds a message of Claude's a second time, under the same uuid."""
        if self._run_id or not isinstance(message, Assistant) or not message.uuid:
            return False
        line = message.uuid, message.message_id, message.index
        if line in self._assistant_lines:
            return True
        self._assistant_lines.add(line)
        return False

    def close(self, error: str = "", notice: str = "") -> None:
        """End the transcript: the file does not grow any more.

        `error` and `notice` about its end become a last block, one revision after the file's.
        """
        self.settle(self.offset + 1)
        if error:
            self._store.new(ErrorBlock, f"end-{self._run_id}", text=error)
        if notice:
            self._store.new(NoticeBlock, f"notice-{self._run_id}", text=notice)

    # --- messages of Claude -----------------------------------------------------------------

    def _complete(self, message: Assistant, block_id: str, content: Content) -> None:
        """Fold one complete content block."""
        match content:
            case TextContent(text=text) if message.error is not None:
                self._notice_blocks.add_error(block_id, text, message.parent)
            case TextContent() | ThinkingContent():
                self._text_stream.complete(message, block_id, content)
            case ToolUse() as use:
                self._tool_calls.call(use, message.parent)
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
        text = all_as_text(parts)
        self._store.new(RawBlock, block_id, message.parent, type=type_, text=text, parts=parts)

    # --- messages of the user, the tools and the CLI ----------------------------------------

    def _user(self, message: User) -> None:
        parts = parts_of(message, self._sent_text)
        for content in message.content:
            if isinstance(content, ToolResult):
                self._tool_calls.result(content, message)
        for part in parts:
            if isinstance(part, TaskNotification):
                self._tool_calls.end_subagent(part.tool_use_id)
        if message.parent or self._user_blocks.has(message.uuid):
            return
        if any(isinstance(part, Interruption) for part in parts):
            self.is_interrupted = True
            self._end_turn()
        self._user_blocks.add_all(message, parts, self._turns.start)

    def _system(self, event: SystemEvent) -> None:
        if event.uuid in self._store:
            return  # repeated after a compaction
        if event.subtype == "task_notification":
            self._tool_calls.end_subagent(event.raw.get("tool_use_id"))
        if parts := parts_of_event(event):
            self._user_blocks.add_all_of_event(event, parts, self._turns.start)
        elif found := notice(event):
            self._notice_blocks.add(event.uuid, found)

    # --- the end of a turn ------------------------------------------------------------------

    def _result(self, message: TurnResult) -> None:
        self._end_turn()
        self._unread_prompts.complete_all(message, self._turns.start)
        self._turns.finish(message)

    def _end_turn(self) -> None:
        self._tool_calls.end_turn()
        self._text_stream.interrupt()


def _data_of(message: Message) -> str:
    """The data of a message that cannot be folded, as JSON."""
    try:
        return as_json(asdict(message))
    except Exception:
        return "Its data cannot be shown."
