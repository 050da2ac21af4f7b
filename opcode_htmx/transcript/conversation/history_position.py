"""Where in Claude's history file a block stands, found by folding the file up to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.lib.cooperative import yielding
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
    """A block in a history file: the ends of the line it begins with and of its last one."""

    file: Path
    block: Block
    begin: int
    end: int


def can_fork(block: Block) -> bool:
    """Whether a session can be forked at this block: what was said, and tools that are done."""
    match block:
        case ThinkingBlock():
            return False
        case TextBlock():
            return not block.open
        case ToolBlock():
            return block.done
        case AskBlock():
            return bool(block.request.tool_use_id)
        case _:
            return isinstance(block, PromptBlock)


def find(files: Iterable[Path], block: Block) -> HistoryPosition | None:
    """The place of a block of the top level; of a question or permission, that of its tool."""
    block_id = block.request.tool_use_id if isinstance(block, AskBlock) else block.id
    places = (_find(file, block_id) for file in files)
    return next(filter(None, places), None)


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
