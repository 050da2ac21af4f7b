"""What a message of Claude's or of the person's holds: texts, thoughts, tools, images. Pure."""

from __future__ import annotations

from .messages import (
    Content,
    ImageContent,
    Json,
    OtherContent,
    TextContent,
    ThinkingContent,
    ToolResult,
    ToolUse,
)
from .shapes import as_dict, as_list, as_str


def contents_of(content: object) -> tuple[Content, ...]:
    if isinstance(content, str):
        return (TextContent(content),)
    return tuple(content_of(as_dict(block)) for block in as_list(content))


def content_of(block: Json) -> Content:
    match block.get("type"):
        case "text":
            return TextContent(as_str(block.get("text")))
        case "thinking":
            return ThinkingContent(as_str(block.get("thinking")))
        case "tool_use":
            return ToolUse(
                id=as_str(block.get("id")),
                name=as_str(block.get("name")),
                input=as_dict(block.get("input")),
            )
        case "tool_result":
            inner = contents_of(block.get("content"))
            return ToolResult(
                tool_use_id=as_str(block.get("tool_use_id")),
                text="\n".join(part.text for part in inner if isinstance(part, TextContent)),
                is_error=bool(block.get("is_error")),
                images=tuple(part for part in inner if isinstance(part, ImageContent)),
            )
        case "image":
            source = as_dict(block.get("source"))
            return ImageContent(as_str(source.get("media_type")), as_str(source.get("data")))
        case other:
            return OtherContent(as_str(other), block)
