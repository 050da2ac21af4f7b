"""Which stretch of a transcript a page shows: its newest blocks first, earlier ones when asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opcode_htmx.transcript.blocks import Block, BranchBlock

FIRST = 12
"""Blocks of a first answer: more than a phone's screen holds, few enough to be painted at once."""

STEP = 100
"""Earlier blocks that come at a time."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of blocks, and what stands in front of it."""

    blocks: Sequence[Block]
    hidden: int
    """How many blocks stand in front."""
    step_from: str
    """The id of the block with which the next step of earlier ones begins."""

    @property
    def first(self) -> str:
        """The id of the first block shown; empty if there is none."""
        return self.blocks[0].id if self.blocks else ""


def newest(blocks: Sequence[Block], from_id: str | None = None, mark: str = "") -> Window:
    """The newest blocks: all from the one with `from_id`, or the FIRST ones of a page.

    What is new since the one with the id `mark` belongs to the first ones, if it is not too much.
    """
    begin = _index(blocks, from_id)
    if begin is None:
        begin = max(0, len(blocks) - FIRST)
        read = _index(blocks, mark)
        if read is not None and len(blocks) - read <= STEP:
            begin = min(begin, read)
    return _window(blocks, begin, len(blocks))


def behind(blocks: Sequence[Block], mark: str) -> int:
    """How many blocks have come since the one with the id `mark`; 0 if there is no such one."""
    read = _index(blocks, mark) if mark else None
    return 0 if read is None else len(blocks) - read - 1


def before(blocks: Sequence[Block], block_id: str) -> Window | None:
    """The STEP of blocks in front of the one with `block_id`; None if there is no such block."""
    end = _index(blocks, block_id)
    return None if end is None else _window(blocks, max(0, end - STEP), end)


def _window(blocks: Sequence[Block], begin: int, end: int) -> Window:
    step_from = blocks[max(0, begin - STEP)].id if begin else ""
    return Window(blocks[begin:end], begin, step_from)


def _index(blocks: Sequence[Block], block_id: str | None) -> int | None:
    """The number of the block with this id, or of the branch in which that stands."""
    numbers = (number for number, block in enumerate(blocks) if _is_at(block, block_id))
    return next(numbers, None)


def _is_at(block: Block, block_id: str | None) -> bool:
    inside = block.children if isinstance(block, BranchBlock) else ()
    return block.id == block_id or any(child.id == block_id for child in inside)
