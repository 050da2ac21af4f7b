"""Fold typed messages into ordered blocks. Pure: no files, no HTML, no clock.

Folding a then b is folding a + b, and Claude's history file folds into the same blocks with the
same ids as the stdout that it was written beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ..claude.messages import (
    Assistant,
    BlockDelta,
    BlockStart,
    BlockStop,
    Content,
    ControlCancel,
    ControlResponse,
    ImageContent,
    Malformed,
    Message,
    MessageStart,
    OtherContent,
    PermissionRequest,
    Refusal,
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
    AskBlock,
    AskState,
    Block,
    ErrorBlock,
    NoticeBlock,
    PromptBlock,
    RawBlock,
    SummaryBlock,
    TextBlock,
    ThinkingBlock,
    ToolBlock,
    ToolState,
)
from .markdown import GrowingMarkdown
from .wording import (
    as_json,
    command_output,
    interruption,
    is_bookkeeping,
    is_command,
    notice,
    prompt_text,
)

B = TypeVar("B", bound=Block)

_UNFINISHED = frozenset({ToolState.PREPARING, ToolState.RUNNING, ToolState.WAITING})
_REFUSED = {Refusal.DENIED: ToolState.DENIED, Refusal.INTERRUPTED: ToolState.INTERRUPTED}


@dataclass(slots=True)
class _Stream:
    """A text that arrives in pieces. It is no block before it says something."""

    type: type[TextBlock]
    block_id: str
    parent: str | None
    held: str = ""
    block: TextBlock | None = None
    complete: bool = False


class Transcript:
    """The blocks of one file: a run's stdout, or a stretch of Claude's history."""

    def __init__(
        self, segment: str, *, run_id: str | None, cost_before: float | None = None
    ) -> None:
        """`segment` sorts this transcript among those of its session; `run_id` None: history.

        `cost_before` is what the session had cost in US dollars, if that is known.
        """
        self.blocks: list[Block] = []
        """The blocks of the top level, in order."""
        self.offset = 0
        """The revision of the newest line that was folded."""
        self._segment = segment
        self._run_id = run_id
        self._by_id: dict[str, Block] = {}
        self._touched: dict[str, Block] = {}  # by id, the latest change last
        self._message_ids: dict[str | None, str] = {}  # the message that streams, by parent
        self._streaming: dict[tuple[str, int], _Stream] = {}
        self._unfinished: dict[str, AskBlock | ToolBlock] = {}
        self._turn_began = 0  # the index in blocks at which this turn's begin
        self._completed: dict[str, int] = {}  # content blocks completed, by message id
        self._born_in_line = 0
        self._cost = cost_before

    def changed_since(self, revision: int) -> list[Block]:
        """The blocks changed after `revision`, in order of appearance."""
        changed = []
        for block in reversed(self._touched.values()):
            if block.revision <= revision:
                break
            changed.append(block)
        return sorted(changed, key=_position)

    def get(self, block_id: str) -> Block | None:
        return self._by_id.get(block_id)

    def feed(self, message: Message, offset: int) -> None:
        """Fold one message, whose line ends at byte `offset`."""
        self.offset = offset
        self._born_in_line = 0
        match message:
            case MessageStart():
                self._message_ids[message.parent] = message.message_id
            case BlockStart():
                self._block_start(message)
            case BlockDelta():
                if stream := self._streaming.get(self._key(message)):
                    self._flow(stream, message.text)
            case BlockStop():
                self._stop(self._key(message))
            case Assistant():
                self._assistant(message)
            case User():
                self._user(message)
            case PermissionRequest():
                self._ask(message)
            case ControlResponse() | ControlCancel():
                self._answer(message)
            case TurnResult():
                self._result(message)
            case SystemEvent():
                self._system(message)
            case Malformed() if self._run_id:
                self._new(RawBlock, "", type="not JSON", text=message.text)
            case Unknown() if not is_bookkeeping(message, live=self._run_id is not None):
                self._new(RawBlock, "", type=message.type, text=as_json(message.raw))
            case _:
                pass

    def close(self, error: str = "", notice: str = "") -> None:
        """The file will not grow any more: nothing that is open will be finished.

        What is to be said about its end comes as a last block, one revision behind the file.
        """
        self.offset += 1
        self._born_in_line = 0
        self._finish(self._unfinished.values())
        self._close_streams()
        if error:
            self._new(ErrorBlock, f"end-{self._run_id}", text=error)
        if notice:
            self._new(NoticeBlock, f"notice-{self._run_id}", text=notice)

    # --- what Claude says -------------------------------------------------------------------

    def _key(self, message: BlockStart | BlockDelta | BlockStop) -> tuple[str, int]:
        known = message.message_id or self._message_ids.get(message.parent, "")
        return known, message.index

    def _block_start(self, message: BlockStart) -> None:
        key = self._key(message)
        block_id = f"{key[0]}-{key[1]}"
        match message.content:
            case TextContent(text=text):
                self._stream(TextBlock, key, block_id, message.parent, text)
            case ThinkingContent(text=text):
                self._stream(ThinkingBlock, key, block_id, message.parent, text)
            case ToolUse() as use if use.id not in self._by_id:
                self._new(ToolBlock, use.id, message.parent, name=use.name, input=use.input)
            case _:
                pass  # other kinds come whole, with the message

    def _stream(
        self,
        type_: type[TextBlock],
        key: tuple[str, int],
        block_id: str,
        parent: str | None,
        text: str,
    ) -> None:
        if block_id not in self._by_id:
            self._streaming[key] = stream = _Stream(type_, block_id, parent)
            self._flow(stream, text)

    def _stop(self, key: tuple[str, int]) -> None:
        """The whole text comes before the end of its pieces or after it; without text, never."""
        stream = self._streaming.get(key)
        if stream and (stream.complete or stream.block is None):
            del self._streaming[key]

    def _flow(self, stream: _Stream, text: str) -> None:
        stream.held += text
        if stream.block is None and stream.held.strip():
            stream.block = self._new(stream.type, stream.block_id, stream.parent)
        if stream.block is not None:
            self._grow(stream.block, stream.held)
            stream.held = ""

    def _grow(self, block: TextBlock, text: str) -> None:
        if text:
            block.source.append(text)
            block.markdown.append(text, self.offset)
            self._touch(block)

    def _assistant(self, message: Assistant) -> None:
        for place, content in enumerate(message.content):
            # Blocks without text are left out of stdout, but counted by history
            counted = self._completed.get(message.message_id, 0)
            index = counted if message.index is None else message.index + place
            self._completed[message.message_id] = index + 1
            self._complete(message, index, content)

    def _complete(self, message: Assistant, index: int, content: Content) -> None:
        """One content block, whole; where it was streamed, it is there already."""
        block_id = f"{message.message_id}-{index}"
        match content:
            case TextContent(text=text) if message.error is not None:
                self._new(ErrorBlock, block_id, message.parent, text=text)
            case TextContent(text=text):
                self._complete_text(TextBlock, message, block_id, text)
            case ThinkingContent(text=text):
                self._complete_text(ThinkingBlock, message, block_id, text)
            case ToolUse() as use:
                tool = self._by_id.get(use.id)
                if not isinstance(tool, ToolBlock):
                    tool = self._new(ToolBlock, use.id, message.parent, name=use.name)
                tool.input = use.input
                if tool.state is ToolState.PREPARING:
                    tool.state = ToolState.RUNNING
                self._touch(tool)
            case OtherContent() if content.type != "redacted_thinking":
                text = as_json(content.raw)
                self._new(RawBlock, block_id, message.parent, type=content.type, text=text)
            case _:
                pass

    def _complete_text(
        self, type_: type[TextBlock], message: Assistant, block_id: str, text: str
    ) -> None:
        stream = self._oldest_stream(type_, message.message_id)
        if stream is not None:
            stream.complete = True
            block_id = stream.block_id
        known = self._by_id.get(block_id)
        block = known if isinstance(known, type_) else None
        if block is None:
            if not text.strip():
                return
            block = self._new(type_, block_id, message.parent)
            if stream is not None:
                stream.block, stream.held = block, ""
        streamed = "".join(block.source)
        if text.startswith(streamed):
            self._grow(block, text[len(streamed) :])
        elif text:
            # The whole message is the authority over its pieces; born again, it is sent whole.
            block.source, block.markdown, block.born = [], GrowingMarkdown(), self.offset
            self._grow(block, text)
        block.open = False

    def _oldest_stream(self, type_: type[TextBlock], message_id: str) -> _Stream | None:
        """What is streaming: one without text, which is never completed, would shift the count."""
        for (owner, _), stream in self._streaming.items():
            if owner == message_id and stream.type is type_ and not stream.complete:
                return stream
        return None

    def _close_streams(self) -> None:
        for stream in self._streaming.values():
            _close(stream)
        self._streaming.clear()

    # --- what the person and the tools say --------------------------------------------------

    def _user(self, message: User) -> None:
        texts = []
        images = []
        for content in message.content:
            match content:
                case ToolResult():
                    self._tool_result(content, message)
                case TextContent(text=text):
                    texts.append(text)
                case ImageContent():
                    images.append(content)
                case _:
                    pass
        text = "\n".join(texts)
        if message.is_meta or message.parent or message.uuid in self._by_id:
            return
        if (output := command_output(text)) is not None:
            self._command_output(message.uuid, output)
        elif sentence := interruption(text):
            self._end_turn()
            self._new(NoticeBlock, message.uuid, text=sentence)
        elif (words := prompt_text(text)) or images:
            prompt = self._new(PromptBlock, message.uuid, text=words, images=images)
            if is_command(text):
                self._put_first_in_turn(prompt)

    def _put_first_in_turn(self, prompt: PromptBlock) -> None:
        """A slash command is told behind what it printed; people read it in front."""
        *said, _ = self.blocks[self._turn_began :]
        if said and not any(isinstance(block, PromptBlock) for block in said):
            segment, offset, _ = _position(said[0])
            prompt.order = f"{segment}.{offset}.0"
            self.blocks.insert(self._turn_began, self.blocks.pop())

    def _system(self, event: SystemEvent) -> None:
        content = event.raw.get("content")
        output = command_output(content) if isinstance(content, str) else None
        if event.uuid in self._by_id:
            return  # told again after a compaction
        if event.subtype == "task_notification":
            self._end_of_subagent(event.raw.get("tool_use_id"))
        if output is not None:
            self._command_output(event.uuid, output)
        elif text := notice(event):
            self._new(NoticeBlock, event.uuid, text=text)

    def _command_output(self, uuid: str, output: str) -> None:
        if output:
            block = self._new(TextBlock, uuid, open=False)
            self._grow(block, output)

    def _tool_result(self, result: ToolResult, message: User) -> None:
        tool = self._by_id.get(result.tool_use_id)
        if not isinstance(tool, ToolBlock):
            tool = self._new(ToolBlock, result.tool_use_id, message.parent, name="Tool")
        tool.output = result.text
        tool.images = result.images
        tool.details = message.tool_result
        if not result.is_error:
            tool.state = ToolState.DONE
        elif tool.state is not ToolState.DENIED:
            tool.state = _REFUSED[message.refusal] if message.refusal else ToolState.ERROR
        self._touch(tool)

    # --- what Claude asks -------------------------------------------------------------------

    def _ask(self, request: PermissionRequest) -> None:
        tool = self._by_id.get(request.tool_use_id)
        parent = tool.parent if tool else None
        run_id = self._run_id or ""
        self._new(AskBlock, request.request_id, parent, request=request, run_id=run_id)
        if isinstance(tool, ToolBlock):
            tool.state = ToolState.WAITING
            self._touch(tool)

    def _answer(self, message: ControlResponse | ControlCancel) -> None:
        ask = self._by_id.get(message.request_id)
        if not isinstance(ask, AskBlock) or ask.state is not AskState.OPEN:
            return
        if isinstance(message, ControlCancel):
            ask.state = AskState.WITHDRAWN
        else:
            ask.answer = message.response
            allowed = message.response.get("behavior") == "allow"
            ask.state = AskState.ALLOWED if allowed else AskState.DENIED
        self._touch(ask)
        tool = self._by_id.get(ask.request.tool_use_id)
        if isinstance(tool, ToolBlock) and tool.state is ToolState.WAITING:
            denied = ask.state is AskState.DENIED
            tool.state = ToolState.DENIED if denied else ToolState.RUNNING
            self._touch(tool)

    # --- the end of a turn ------------------------------------------------------------------

    def _result(self, message: TurnResult) -> None:
        self._end_turn()
        if message.is_error and message.reason not in ("aborted_streaming", "aborted_tools"):
            text = message.text or f"The turn ended with an error: {message.subtype}."
            if not self._said_by_last_block(text):
                self._new(ErrorBlock, f"{message.uuid}-error", text=text)
        # Claude counts what the whole session has cost
        total, before = message.cost_usd, self._cost
        self._cost = total
        self._new(
            SummaryBlock,
            message.uuid,
            duration_ms=message.duration_ms,
            cost_usd=None if total is None or before is None else max(0.0, total - before),
            total_cost_usd=total,
            input_tokens=message.input_tokens,
            output_tokens=message.output_tokens,
        )
        self._turn_began = len(self.blocks)

    def _said_by_last_block(self, text: str) -> bool:
        last = self.blocks[-1] if self.blocks else None
        return isinstance(last, ErrorBlock) and last.text == text

    def _end_turn(self) -> None:
        """Nothing of this turn goes on, except for subagents in the background."""
        self._finish(block for block in self._unfinished.values() if not self._outlives(block))
        self._close_streams()

    def _outlives(self, block: Block) -> bool:
        """Whether it belongs to a subagent whose call has its result, but which still works."""
        owner = self._by_id.get(block.parent or "")
        return isinstance(owner, ToolBlock) and (
            owner.state is ToolState.DONE or self._outlives(owner)
        )

    def _end_of_subagent(self, tool_use_id: object) -> None:
        self._finish(block for block in self._unfinished.values() if block.parent == tool_use_id)

    def _finish(self, blocks: Iterable[AskBlock | ToolBlock]) -> None:
        for block in list(blocks):
            if isinstance(block, AskBlock):
                block.state = AskState.WITHDRAWN
            else:
                block.state = ToolState.INTERRUPTED
            self._touch(block)

    # --- keeping blocks ---------------------------------------------------------------------

    def _new(self, type_: type[B], block_id: str, parent: str | None = None, **fields: object) -> B:
        """Add a block behind all others of its container."""
        self._born_in_line += 1
        order = f"{self._segment}.{self.offset}.{self._born_in_line}"
        if not block_id or block_id in self._by_id:
            block_id = f"line-{order.replace('.', '-')}"  # no id stands twice on a page
        block = type_(
            id=block_id,
            order=order,
            born=self.offset,
            revision=self.offset,
            **fields,  # type: ignore[arg-type]
        )
        owner = self._by_id.get(parent) if parent else None
        if isinstance(owner, ToolBlock):
            block.parent = owner.id
            owner.children.append(block)
        else:
            self.blocks.append(block)
        self._by_id[block.id] = block
        self._touch(block)
        return block

    def _touch(self, block: Block) -> None:
        block.revision = self.offset
        self._touched.pop(block.id, None)
        self._touched[block.id] = block
        match block:
            case AskBlock(state=AskState.OPEN):
                self._unfinished[block.id] = block
            case ToolBlock() if block.state in _UNFINISHED:
                self._unfinished[block.id] = block
            case _:
                self._unfinished.pop(block.id, None)

    def __iter__(self) -> Iterator[Block]:
        return iter(self._by_id.values())


def _close(stream: _Stream) -> None:
    if stream.block is not None:
        stream.block.open = False


def _position(block: Block) -> tuple[int, ...]:
    return tuple(map(int, block.order.split(".")))
