"""The data of a block as text, for one that cannot be rendered."""

from __future__ import annotations

from dataclasses import fields

from ..claude.messages import PermissionRequest
from .blocks import AskBlock, Block, TextBlock, ToolBlock
from .wording import as_json

LONGEST = 10_000
"""Characters."""

_FAILED = "Its data cannot be shown either."


def raw_text(block: Block) -> str:
    """What a block holds. Never raises: what made its renderer fail may be anything."""
    try:
        return _data(block)[:LONGEST]
    except Exception:
        return _FAILED


def is_whole(text: str) -> bool:
    """Whether `raw_text` gave all that there is."""
    return text != _FAILED and len(text) < LONGEST


def _data(block: Block) -> str:
    match block:
        case AskBlock(request=PermissionRequest(tool_name=name, input=given)):
            return as_json({"tool": name, "input": given})
        case ToolBlock():
            return as_json({"tool": block.name, "input": block.input, "output": block.output})
        case TextBlock():
            return "".join(block.source)
        case _:
            own = {each.name for each in fields(block)} - {each.name for each in fields(Block)}
            return as_json({name: str(getattr(block, name)) for name in sorted(own)})
