"""The typed contents of messages: texts, tool calls and their results, images. Values only."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Any, TypeAlias

from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

_UNKNOWN_RESULT = "[Tool call interrupted: the session ended before this call's result"


@dataclass(frozen=True, slots=True)
class TextContent:
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingContent:
    text: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    id: str
    name: str
    input: Json


@dataclass(frozen=True, slots=True)
class ImageContent:
    """An image; `data` is base64, unless the sender made a mistake."""

    media_type: str
    data: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OtherContent:
    """A block of another type, or one whose fields are not what its type promises.

    `raw` is the block as it came: an object, or any other JSON value.
    """

    type: str
    raw: Any = field(repr=False)


class Refusal(StrEnum):
    DENIED = "permission-rule"
    INTERRUPTED = "user-rejected"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool, part by part in its order."""

    tool_use_id: str
    is_error: bool
    parts: tuple[TextContent | ImageContent | OtherContent, ...] = ()
    refusal: Refusal | None = None
    """Why the result is an error without the tool having failed."""
    is_denied_by_person: bool = False
    """Whether the refusal was a person's answer to a request."""

    @property
    def text(self) -> str:
        """Its texts, joined by line feeds."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextContent))

    @property
    def is_unknown(self) -> bool:
        """Whether the CLI has made it up for a call that was interrupted: there was none."""
        return self.is_error and self.text.startswith(_UNKNOWN_RESULT)


Content: TypeAlias = (
    TextContent | ThinkingContent | ToolUse | ToolResult | ImageContent | OtherContent
)
