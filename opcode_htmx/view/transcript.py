"""Fold typed messages into ordered blocks. Pure: no files, no HTML, no clock.

Folding a then b is folding a + b, and Claude's history file folds into the same blocks with the
same ids as the stdout that it was written beside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
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
from .wording import is_bookkeeping, notice, prompt_text

B = TypeVar("B", bound=Block)


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
        self._streaming: dict[tuple[str, int], TextBlock] = {}
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
        return sorted(changed, key=lambda block: block.born)

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
                if block := self._streaming.get(self._key(message)):
                    self._grow(block, message.text)
            case BlockStop():
                if block := self._streaming.pop(self._key(message), None):
                    block.open = False
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
            case SystemEvent() if text := notice(message):
                self._new(NoticeBlock, message.uuid, text=text)
            case Malformed() if self._run_id:
                self._new(RawBlock, f"line-{offset}", type="not JSON", text=message.text)
            case Unknown() if not is_bookkeeping(message, live=self._run_id is not None):
                text = json.dumps(message.raw, indent=2, ensure_ascii=False)
                self._new(RawBlock, f"line-{offset}", type=message.type, text=text)
            case _:
                pass

    def close(self, error: str = "", notice: str = "") -> None:
        """The file will not grow any more: nothing that is open will be finished.

        What is to be said about its end comes as a last block, one revision behind the file.
        """
        self.offset += 1
        self._born_in_line = 0
        self._finish_open_blocks(AskState.WITHDRAWN)
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
            block = self._new(type_, block_id, parent)
            self._streaming[key] = block
            self._grow(block, text)

    def _grow(self, block: TextBlock, text: str) -> None:
        if text:
            block.source.append(text)
            block.markdown.append(text, self.offset)
            self._touch(block)

    def _assistant(self, message: Assistant) -> None:
        for content in message.content:
            index = self._completed.get(message.message_id, 0)
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
                text = json.dumps(content.raw, indent=2, ensure_ascii=False)
                self._new(RawBlock, block_id, message.parent, type=content.type, text=text)
            case _:
                pass

    def _complete_text(
        self, type_: type[TextBlock], message: Assistant, block_id: str, text: str
    ) -> None:
        known = self._oldest_open(type_, message.message_id) or self._by_id.get(block_id)
        block = known if isinstance(known, type_) else None
        if block is None:
            if not text.strip():
                return
            block = self._new(type_, block_id, message.parent)
        streamed = "".join(block.source)
        if text.startswith(streamed):
            self._grow(block, text[len(streamed) :])
        elif text:
            # The whole message is the authority over its pieces; born again, it is sent whole.
            block.source, block.markdown, block.born = [], GrowingMarkdown(), self.offset
            self._grow(block, text)
        block.open = False

    def _oldest_open(self, type_: type[TextBlock], message_id: str) -> TextBlock | None:
        """The block that is streaming: an empty one left out would shift the count."""
        for (owner, _), block in self._streaming.items():
            if owner == message_id and type(block) is type_ and block.open:
                return block
        return None

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
        text = prompt_text("\n".join(texts))
        if message.is_meta or message.parent or not (text or images):
            return
        if text.startswith("[Request interrupted"):
            self._finish_open_blocks(AskState.WITHDRAWN)
            self._new(NoticeBlock, message.uuid, text=text.strip("[]") + ".")
        elif message.uuid not in self._by_id:
            self._new(PromptBlock, message.uuid, text=text, images=images)

    def _tool_result(self, result: ToolResult, message: User) -> None:
        tool = self._by_id.get(result.tool_use_id)
        if not isinstance(tool, ToolBlock):
            tool = self._new(ToolBlock, result.tool_use_id, message.parent, name="Tool")
        tool.output = result.text
        tool.images = result.images
        tool.details = message.tool_result
        if tool.state not in (ToolState.DENIED, ToolState.INTERRUPTED):
            tool.state = ToolState.ERROR if result.is_error else ToolState.DONE
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
        self._finish_open_blocks(AskState.WITHDRAWN)
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

    def _said_by_last_block(self, text: str) -> bool:
        last = self.blocks[-1] if self.blocks else None
        return isinstance(last, ErrorBlock) and last.text == text

    def _finish_open_blocks(self, ask_state: AskState) -> None:
        for text in self._streaming.values():
            text.open = False
        self._streaming.clear()
        for block in list(self._by_id.values()):
            if isinstance(block, AskBlock) and block.state is AskState.OPEN:
                block.state = ask_state
                self._touch(block)
            elif isinstance(block, ToolBlock) and block.state in (
                ToolState.PREPARING,
                ToolState.RUNNING,
                ToolState.WAITING,
            ):
                block.state = ToolState.INTERRUPTED
                self._touch(block)

    # --- keeping blocks ---------------------------------------------------------------------

    def _new(self, type_: type[B], block_id: str, parent: str | None = None, **fields: object) -> B:
        """Add a block behind all others of its container."""
        self._born_in_line += 1
        block = type_(
            id=block_id or f"line-{self.offset}-{self._born_in_line}",
            order=f"{self._segment}.{self.offset}.{self._born_in_line}",
            born=self.offset,
            revision=self.offset,
            **fields,  # type: ignore[arg-type]
        )
        owner = self._by_id.get(parent) if parent else None
        if owner is not None:
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

    def __iter__(self) -> Iterator[Block]:
        return iter(self._by_id.values())
