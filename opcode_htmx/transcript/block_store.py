"""Where the blocks of one transcript are kept: in order, by id, and by when they last changed.

Knows blocks, and nothing of the messages that they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TypeVar

from opcode_htmx.transcript import todos
from opcode_htmx.transcript.blocks import (
    UNFINISHED,
    AskBlock,
    AskState,
    Block,
    PromptBlock,
    ShellBlock,
    ToolBlock,
    ToolState,
)

B = TypeVar("B", bound=Block)


class BlockStore:
    def __init__(self, segment: str, taken: Callable[[str], bool] = lambda _: False) -> None:
        """`segment` sorts these blocks among those of other transcripts on one page.

        `taken` says whether a block of those in front of this one has an id.
        """
        self.blocks: list[Block] = []
        """The blocks of the top level, in order."""
        self.offset = 0
        """The revision that changes get."""
        self.unfinished: dict[str, AskBlock | ToolBlock] = {}
        """What is open or runs, by id."""
        self.todo_events: list[Block] = []
        """The prompts and the calls that change Claude's list of what it has to do."""
        self.stand_at(segment)
        self.row = ""
        """The uuid of the line that is being folded; empty where it has none."""
        self._taken = taken
        self._by_id: dict[str, Block] = {}
        """By the id that Claude gave: its lines here speak of what is here."""
        self._renamed: dict[str, Block] = {}
        self._touched: dict[str, Block] = {}  # by id, the latest change last
        self._born_in_line = 0

    def __iter__(self) -> Iterator[Block]:
        return iter(self._by_id.values())

    def __contains__(self, block_id: str) -> bool:
        return block_id in self._by_id

    def get(self, block_id: str) -> Block | None:
        return self._by_id.get(block_id) or self._renamed.get(block_id)

    def tool(self, tool_use_id: str | None) -> ToolBlock | None:
        block = self.get(tool_use_id or "")
        return block if isinstance(block, ToolBlock) else None

    def changed_since(self, revision: int) -> list[Block]:
        """The blocks changed after `revision`, in order of appearance."""
        changed = []
        for block in reversed(self._touched.values()):
            if block.revision <= revision:
                break
            changed.append(block)
        return sorted(changed, key=by_position)

    def stand_at(self, place: str) -> None:
        """Put new blocks there among those of other transcripts: numbers, joined by dots."""
        self._place, self._numbers = place, tuple(map(int, place.split(".")))

    def go_to(self, offset: int) -> None:
        """What follows comes from the line that ends at byte `offset`."""
        if offset != self.offset:
            self.offset = offset
            self._born_in_line = 0

    def new(self, type_: type[B], block_id: str, parent: str | None = None, **fields: object) -> B:
        """Add a block behind all others of its container."""
        self._born_in_line += 1
        order = f"{self._place}.{self.offset}.{self._born_in_line}"
        named, own = block_id, f"line-{order.replace('.', '-')}"
        if not named or named in self._by_id:
            named = own
        # no id stands twice on a page
        block = type_(
            id=own if self._taken(named) else named,
            order=order,
            numbers=(order, (*self._numbers, self.offset, self._born_in_line)),
            born=self.offset,
            revision=self.offset,
            **fields,  # type: ignore[arg-type]
        )
        if owner := self.tool(parent):
            block.parent = owner.id
            owner.children.append(block)
            if owner.over:
                self.mark_changed(
                    owner
                )  # where its children stand depends on whether there are any
        else:
            self.blocks.append(block)
            if todos.concerns(block):
                self.todo_events.append(block)
        self._by_id[named] = block
        if block.id != named:
            self._renamed[block.id] = block
        self.mark_changed(block)
        return block

    def mark_changed(self, block: Block) -> None:
        """The block has changed."""
        block.row = block.row or self.row
        block.revision = self.offset
        block.changes += 1
        self._touched.pop(block.id, None)
        self._touched[block.id] = block
        match block:
            case AskBlock(state=AskState.OPEN):
                self.unfinished[block.id] = block
            case ToolBlock() if block.state in UNFINISHED:
                self.unfinished[block.id] = block
            case _:
                self.unfinished.pop(block.id, None)

    def finish(self, blocks: Iterable[AskBlock | ToolBlock]) -> None:
        """Nothing will come of these any more."""
        for block in list(blocks):
            if isinstance(block, AskBlock):
                block.state = AskState.WITHDRAWN
            else:
                block.state = ToolState.INTERRUPTED
            self.mark_changed(block)

    def move_before(self, prompt: PromptBlock, index: int) -> None:
        """Put `prompt`, the newest block, at `index`, unless a person did something behind that."""
        *others, _ = self.blocks[index:]
        if others and not any(isinstance(block, PromptBlock | ShellBlock) for block in others):
            prompt.order = f"{others[0].order.rpartition('.')[0]}.0"
            self.blocks.insert(index, self.blocks.pop())


by_position = attrgetter("position")
"""Sorts blocks as they stand on the page of their session."""
