"""The content blocks of a message: texts, thoughts, tool calls and results, images. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from opcode_htmx.engines.contents import (
    Content,
    ImageContent,
    OtherContent,
    TextContent,
    ThinkingContent,
    ToolResult,
    ToolUse,
)
from opcode_htmx.lib.coerce import Json, as_str

_TEXT_FIELDS = frozenset({"type", "text", "cache_control"})


def contents_of(content: object) -> tuple[Content, ...]:
    """The blocks of Claude's message, one for each: their places are part of their ids."""
    match content:
        case None:
            return ()
        case list():
            return tuple(content_of(block) for block in content)
        case _:
            return (content_of(content),)


def prompt_contents_of(content: object) -> tuple[Content, ...]:
    """The blocks of a prompt, or of the entry that holds tool results; nothing is left out."""
    found: list[Content] = []
    for block in content if isinstance(content, list) else (content,):
        if isinstance(block, dict) and block.get("type") == "tool_result":
            found.append(content_of(block))
        else:
            found += parts_of([block] if block is not None else [])
    return tuple(found)


def content_of(block: object) -> Content:
    """One block. A block whose fields do not match its type is kept whole, as `OtherContent`."""
    if isinstance(block, str):
        return TextContent(block)
    return _typed(block) if isinstance(block, dict) else OtherContent("", block)


def _typed(block: Json) -> Content:
    match block:
        case {"type": "text"} if isinstance(block.get("text"), str | None):
            return TextContent(as_str(block.get("text")))
        case {"type": "thinking"} if isinstance(block.get("thinking"), str | None):
            return ThinkingContent(as_str(block.get("thinking")))
        case {"type": "tool_use"}:
            return ToolUse(
                id=as_str(block.get("id")),
                name=as_str(block.get("name")),
                input=_input(block.get("input")),
            )
        case {"type": "tool_result"}:
            return ToolResult(
                tool_use_id=as_str(block.get("tool_use_id")),
                is_error=bool(block.get("is_error")),
                parts=parts_of(block.get("content")),
            )
        case {"type": "image"} if image := _image(block):
            return image
        case _:
            return OtherContent(as_str(block.get("type")), block)


def parts_of(content: object) -> tuple[TextContent | ImageContent | OtherContent, ...]:
    """The result of a tool: texts, images, and everything else unchanged."""
    match content:
        case None:
            return ()
        case list():
            return tuple(part for block in content for part in _parts(block))
        case _:
            return tuple(_parts(content))


def _parts(block: object) -> Iterator[TextContent | ImageContent | OtherContent]:
    match content_of(block):
        case TextContent() as text:
            yield text
            if isinstance(block, dict) and block.keys() - _TEXT_FIELDS:
                rest = {key: block[key] for key in block if key not in _TEXT_FIELDS}
                yield OtherContent("text", rest)
        case ImageContent() | OtherContent() as part:
            yield part
        case _:  # a thought, a call, a result in a result: none of them has a place there
            type_ = as_str(block.get("type")) if isinstance(block, dict) else ""
            yield OtherContent(type_, block)


def _input(value: object) -> Json:
    if isinstance(value, dict):
        return value
    return {} if value is None else {"input": value}


def _image(block: Json) -> ImageContent | None:
    """An image with its data: as the Messages API writes it, or as MCP does."""
    match block:
        case {"source": {"media_type": str(media_type), "data": str(data)} as source} if (
            source.get("type", "base64") == "base64"
        ):
            return ImageContent(media_type, data)
        case {"data": str(data), "mimeType": str(media_type)}:
            return ImageContent(media_type, data)
        case _:
            return None
