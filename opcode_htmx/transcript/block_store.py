"""Store the blocks of one transcript: in order, by id, and by their last change.

Knows nothing of the messages that blocks are made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TypeVar

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.transcript import todos
from opcode_htmx.transcript.blocks import (
    UNFINISHED,
    AskBlock,
    AskState,
    Block,
    NoticeBlock,
    PromptBlock,
    ShellBlock,
    TextBlock,
    ToolBlock,
    ToolState,
)

B = TypeVar("B", bound=Block)

OWN_ID = late_pattern(r"line-[0-9]{1,6}-([0-9]{1,15})-[0-9]{1,9}")
"""The id of a block whose line has none: its place, and the end of the line."""


class BlockStore:
    """The blocks of one transcript."""

    def __init__(self, segment: str, is_taken: Callable[[str], bool] = lambda _: False) -> None:
        """`segment` sorts these blocks among those of other transcripts on one page.

        `is_taken` says whether an earlier transcript of the page has a block with an id.
        """
        self.blocks: list[Block] = []
        """The blocks of the top level, in order."""
        self.offset = 0
        """The revision that changes get."""
        self.unfinished: dict[str, AskBlock | ToolBlock] = {}
        """Open asks and running tools, by id."""
        self.todo_events: list[Block] = []
        """The prompts and the tool calls that change Claude's to-do list."""
        self.set_place(segment)
        self.line_uuid = ""
        """The uuid of the line that is being folded; empty if it has none."""
        self._is_taken = is_taken
        self._by_id: dict[str, Block] = {}
        """By the id that Claude gave, which later lines refer to."""
        self._renamed: dict[str, Block] = {}
        """Blocks whose id had to differ, by the id they have."""
        self._changed: dict[str, Block] = {}
        """By id, the latest change last."""
        self._created_in_line = 0
        self._first = 0
        """The revision at which the first block was created, unless earlier ones were dropped."""
        self._acted_before = False
        """Whether the user has acted in what was dropped."""
        self.reaches_back = False
        """Whether a dropped block would have changed, or got another block in it."""

    def drop_all(self) -> None:
        """Drop the blocks so far: they are the context of those that follow, and not shown.

        Later lines still find them by id, which is then noted.
        """
        # A prompt moves before the notice of a retry that it follows. The call of a result, and the
        # agent of an answer, may not have been read
        said = any(isinstance(each, TextBlock) for each in self.blocks)
        called = any(isinstance(each, ToolBlock) and each.name != "Tool" for each in self.blocks)
        retried = any(isinstance(each, NoticeBlock) and each.topic for each in self.blocks)
        self.reaches_back = retried or not (said or called)
        self._acted_before = any(isinstance(each, PromptBlock | ShellBlock) for each in self.blocks)
        self.blocks, self.todo_events = [], []
        self.unfinished, self._changed = {}, {}
        self._first = self.offset + 1

    def is_dropped(self, block: Block) -> bool:
        return block.created < self._first

    def __iter__(self) -> Iterator[Block]:
        return iter(self._by_id.values())

    def __contains__(self, block_id: str) -> bool:
        return block_id in self._by_id

    def get(self, block_id: str) -> Block | None:
        return self._by_id.get(block_id) or self._renamed.get(block_id)

    def is_before(self, block_id: str) -> bool:
        """Whether an earlier transcript of the page has a block with an id."""
        return self._is_taken(block_id)

    def tool(self, tool_use_id: str | None) -> ToolBlock | None:
        block = self.get(tool_use_id or "")
        return block if isinstance(block, ToolBlock) else None

    def changed_since(self, revision: int) -> list[Block]:
        """The blocks changed after `revision`, in the order of the page."""
        changed = []
        for block in reversed(self._changed.values()):
            if block.revision <= revision:
                break
            changed.append(block)
        return sorted(changed, key=by_position)

    def set_place(self, place: str) -> None:
        """Sort new blocks at `place` (numbers joined by dots) among those of other transcripts."""
        self._place, self._place_numbers = place, tuple(map(int, place.split(".")))

    def advance(self, offset: int) -> None:
        """Go on to the line that ends at byte `offset`."""
        if offset != self.offset:
            self.offset = offset
            self._created_in_line = 0

    def new(self, type_: type[B], block_id: str, parent: str | None = None, **fields: object) -> B:
        """Append a block to its container: the tool call `parent`, or the top level."""
        self._created_in_line += 1
        order = f"{self._place}.{self.offset}.{self._created_in_line}"
        claude_id, own_id = block_id, f"line-{order.replace('.', '-')}"
        if not claude_id or claude_id in self._by_id:
            claude_id = own_id
        # Ids are unique on a page
        block = type_(
            id=own_id if self._is_taken(claude_id) else claude_id,
            order=order,
            position_cache=(order, (*self._place_numbers, self.offset, self._created_in_line)),
            created=self.offset,
            revision=self.offset,
            **fields,  # type: ignore[arg-type]
        )
        if owner := self.tool(parent):
            block.parent = owner.id
            self.reaches_back |= self.is_dropped(owner)
            owner.children.append(block)
            if owner.is_finished:
                # Whether it has children decides how it is rendered
                self.mark_changed(owner)
        else:
            self.blocks.append(block)
            if todos.affects_list(block):
                self.todo_events.append(block)
        self._by_id[claude_id] = block
        if block.id != claude_id:
            self._renamed[block.id] = block
        self.mark_changed(block)
        return block

    def mark_changed(self, block: Block) -> None:
        """Record that a block has changed."""
        self.reaches_back |= self.is_dropped(block)
        block.line_uuid = block.line_uuid or self.line_uuid
        block.revision = self.offset
        block.change_count += 1
        self._changed.pop(block.id, None)
        self._changed[block.id] = block
        match block:
            case AskBlock(state=AskState.OPEN):
                self.unfinished[block.id] = block
            case ToolBlock() if block.state in UNFINISHED:
                self.unfinished[block.id] = block
            case _:
                self.unfinished.pop(block.id, None)

    def finish(self, blocks: Iterable[AskBlock | ToolBlock]) -> None:
        """Mark open asks as withdrawn, and running tools as interrupted."""
        for block in list(blocks):
            if isinstance(block, AskBlock):
                block.state = AskState.WITHDRAWN
            else:
                block.state = ToolState.INTERRUPTED
            self.mark_changed(block)

    def move_before(self, prompt: PromptBlock, index: int) -> None:
        """Move `prompt`, the newest block, to `index`, unless the user acted after that index."""
        *others, _ = self.blocks[index:]
        if self._first and not index and self._acted_before:
            return
        if others and not any(isinstance(block, PromptBlock | ShellBlock) for block in others):
            self.reaches_back |= self._first > 0 and not index
            prompt.order = f"{others[0].order.rpartition('.')[0]}.0"
            self.blocks.insert(index, self.blocks.pop())


by_position = attrgetter("position")
"""A sort key: the order of blocks on the page of their session."""
