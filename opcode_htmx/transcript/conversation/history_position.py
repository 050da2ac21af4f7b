"""Find the position of a block in Claude's history file, by folding the file up to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.transcript.blocks import (
    AskBlock,
    Block,
    PromptBlock,
    TextBlock,
    ThinkingBlock,
    ToolBlock,
)
from opcode_htmx.transcript.fold import Transcript


@dataclass(frozen=True, slots=True)
class HistoryPosition:
    """A block in a history file: the byte offsets at which its first and its last line end."""

    file: Path
    block: Block
    begin: int
    end: int


def can_fork(block: Block) -> bool:
    """Whether a session can be forked at a block: at messages and at finished tool calls."""
    match block:
        case ThinkingBlock():
            return False
        case TextBlock():
            return not block.open
        case ToolBlock():
            return block.done
        case AskBlock():
            return bool(block.tool_use_id)
        case _:
            return isinstance(block, PromptBlock)


def find(files: Iterable[Path], block: Block) -> HistoryPosition | None:
    """Find a block of the top level; for a question or a permission, the call of its tool."""
    block_id = block.tool_use_id if isinstance(block, AskBlock) else block.id
    positions = (_find(file, block_id) for file in files)
    return next(filter(None, positions), None)


def _find(file: Path, block_id: str) -> HistoryPosition | None:
    transcript = Transcript("0", run_id=None)
    begin = 0
    for line in yielding(LineReader(file).read()):
        transcript.feed(parser.parse(line.data), line.end)
        block = transcript.get(block_id)
        if block is not None:
            begin = begin or line.end
            if not isinstance(block, ToolBlock) or block.done:
                return HistoryPosition(file, block, begin, line.end)
    return None
