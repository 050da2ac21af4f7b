"""Estimate how long a block takes to render: heavy ones are rendered in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opcode_htmx.engines.contents import Content, OtherContent, TextContent, ToolResult
from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.lib.coerce import is_larger
from opcode_htmx.transcript.blocks import (
    AskBlock,
    Block,
    NoticeBlock,
    PromptBlock,
    RawBlock,
    ShellBlock,
    TextBlock,
    ToolBlock,
)

LIGHT = 20_000
"""Characters and values of a block that is rendered within a few milliseconds."""
FEW = 200
"""Elements of a block, or of an update, that are rendered within a few milliseconds."""


def is_heavy(block: Block) -> bool:
    """Whether a block may take longer than a few milliseconds to render."""
    if len(block.children) > FEW:
        return True
    if isinstance(block, TextBlock):
        return len(block.markdown.parts) > FEW
    return is_larger(LIGHT, *_values(block))


def _values(block: Block) -> Iterator[object]:
    match block:
        case PromptBlock(text=text, others=others):
            yield text
            yield from _raw(others)
        case ShellBlock(command=command, stdout=stdout, stderr=stderr):
            yield from (command, stdout, stderr)
        case ToolBlock():
            yield from (block.input, block.output, block.details)
            yield from _raw(block.parts)
        case AskBlock(request=request, answer=answer):
            if isinstance(request, PermissionRequest):
                yield from (request.input, list(request.suggestions), answer)
            else:
                yield from (request.message, request.schema, request.other, answer)
        case NoticeBlock(text=text, detail=detail):
            yield from (text, detail)
        case RawBlock(text=text, parts=parts):
            yield text
            yield from _raw(parts)
        case _:
            pass


def _raw(contents: Iterable[Content]) -> Iterator[object]:
    for content in contents:
        match content:
            case TextContent(text=text):
                yield text
            case OtherContent(raw=raw):
                yield raw
            case ToolResult(parts=parts):
                yield from _raw(parts)
            case _:
                yield None
