"""The fallback for a block that cannot be rendered: its data as text, and a log line."""

from __future__ import annotations

import logging
from dataclasses import asdict, fields

from opcode_htmx.engines.messages import ElicitationRequest, PermissionRequest
from opcode_htmx.transcript.blocks import (
    AskBlock,
    Block,
    TextBlock,
    ToolBlock,
)
from opcode_htmx.transcript.cli_text import as_json

log = logging.getLogger(__name__)

LONGEST = 10_000
"""Characters; more data is cut off."""

_FAILED = "Its data cannot be shown either."


def raw_text(block: Block) -> str:
    """The data of a block. Never raises, whatever made its renderer fail."""
    try:
        return _data(block)[:LONGEST]
    except Exception:
        return _FAILED


def log_failure(block: Block, action: str) -> None:
    """Log the current exception, once for each block; `action` is a participle: `rendered`."""
    if not block.is_unrenderable:
        log.exception("block %r of kind %s cannot be %s", block.id, block.kind, action)
    block.is_unrenderable = True


def is_complete(text: str) -> bool:
    """Whether a text of `raw_text` holds all data of its block."""
    return text != _FAILED and len(text) < LONGEST


def _data(block: Block) -> str:
    match block:
        case AskBlock(request=PermissionRequest(tool_name=name, input=tool_input)):
            return as_json({"tool": name, "input": tool_input})
        case AskBlock(request=ElicitationRequest() as request):
            # without the answer, which is nobody else's business
            return as_json(asdict(request))
        case ToolBlock():
            return as_json({"tool": block.name, "input": block.input, "output": block.output})
        case TextBlock():
            return "".join(block.source)
        case _:
            own = {each.name for each in fields(block)} - {each.name for each in fields(Block)}
            return as_json({name: str(getattr(block, name)) for name in sorted(own)})
