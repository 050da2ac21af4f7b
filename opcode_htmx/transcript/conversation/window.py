"""Select the blocks that a page shows: the newest ones first, earlier ones on request."""

from __future__ import annotations

from collections.abc import Sequence

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.transcript.blocks import Block, BranchBlock

FIRST = 12
"""Blocks in the first response: more than fit on a phone, few enough to be painted at once."""

STEP = 100
"""Earlier blocks that are loaded at a time."""


@dataclass(frozen=True, slots=True)
class Window:
    """A run of consecutive blocks, and the number of blocks before it."""

    blocks: Sequence[Block]
    hidden: int
    """The number of earlier blocks; of a long history, of those that are known so far."""
    step_from: str
    """The id of the first block of the next STEP of earlier ones; empty if there are none."""
    is_counted: bool = True
    """Whether `hidden` counts all of them."""

    @property
    def first(self) -> str:
        """The id of the first block shown; empty if there is none."""
        return self.blocks[0].id if self.blocks else ""


def newest(
    blocks: Sequence[Block],
    from_id: str | None = None,
    read_id: str = "",
    missing: int | None = 0,
) -> Window:
    """The newest blocks: all from the one with `from_id`, or else the last FIRST ones.

    Those after `read_id`, the block that was read last, are included if there are at most STEP.
    `missing` is the number of blocks before `blocks`; None: there are some.
    """
    start = index_of(blocks, from_id)
    if start is None:
        start = max(0, len(blocks) - FIRST)
        read = index_of(blocks, read_id)
        if read is not None and len(blocks) - read <= STEP:
            start = min(start, read)
    return _window(blocks, start, len(blocks), missing)


def count_after(blocks: Sequence[Block], block_id: str) -> int:
    """The number of blocks after the one with `block_id`; 0 if there is no such block."""
    index = index_of(blocks, block_id)
    return 0 if index is None else len(blocks) - index - 1


def before(blocks: Sequence[Block], block_id: str, missing: int | None = 0) -> Window | None:
    """The STEP of blocks before the one with `block_id`; None if there is no such block.

    `missing` as in `newest`.
    """
    end = index_of(blocks, block_id)
    return None if end is None else _window(blocks, max(0, end - STEP), end, missing)


def _window(blocks: Sequence[Block], start: int, end: int, missing: int | None) -> Window:
    if missing is None:
        return Window(blocks[start:end], max(1, start), blocks[max(0, start - STEP)].id, False)
    step_from = blocks[max(0, start - STEP)].id if start else ""
    return Window(blocks[start:end], missing + start, step_from)


def index_of(blocks: Sequence[Block], block_id: str | None) -> int | None:
    """The index of the block with this id, or of the branch that contains it; from the newest on,
    as those are asked for most."""
    if not block_id:
        return None
    for index in range(len(blocks) - 1, -1, -1):
        block = blocks[index]
        if block.id == block_id:
            return index
        if isinstance(block, BranchBlock) and any(each.id == block_id for each in block.children):
            return index
    return None
