"""The prompts and commands in history entries, as lists show and count them."""

from __future__ import annotations

from typing import Any

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.claude.protocol.user_entries import parts_of, parts_of_event
from opcode_htmx.engines.contents import ImageContent, OtherContent, ToolResult
from opcode_htmx.engines.messages import SystemEvent, User
from opcode_htmx.engines.user_parts import Part, Prompt, ShellCommand, SlashCommand
from opcode_htmx.lib.coerce import as_dict, as_list, as_str, encodable


def parts_in(entry: dict[str, Any]) -> tuple[Part, ...]:
    """The words of a person in an entry; an image without words counts as some."""
    if entry.get("type") not in ("user", "system", "attachment") or _holds_result(entry):
        return ()
    message = parser.message_of(entry)
    match message:
        case SystemEvent():
            return parts_of_event(message)
        case User() if not _has(message, ToolResult):
            parts = parts_of(message)
            if not parts and _has_image(message):
                return (Prompt("(image)"),)
            return parts
        case _:
            return ()


def _holds_result(entry: dict[str, Any]) -> bool:
    """Whether there is the result of a tool: so it is with nearly all `user` entries."""
    parts = as_list(as_dict(entry.get("message")).get("content"))
    return any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)


def _has_image(message: User) -> bool:
    """Whether there is an image, in any form."""
    return any(
        isinstance(content, ImageContent)
        or (isinstance(content, OtherContent) and content.type == "image")
        for content in message.content
    )


def _has(message: User, type_: type) -> bool:
    return any(isinstance(content, type_) for content in message.content)


def first_words(parts: tuple[Part, ...]) -> str | None:
    """The text of the first prompt."""
    return next((part.text for part in parts if isinstance(part, Prompt)), None)


def first_command(parts: tuple[Part, ...]) -> str | None:
    """The first command, for sessions that hold nothing else."""
    for part in parts:
        if isinstance(part, SlashCommand):
            return part.text
        if isinstance(part, ShellCommand) and part.command:
            return f"! {part.command}"
    return None


def has_prompt(parts: tuple[Part, ...]) -> bool:
    """Whether a person has prompted Claude, in words or with a command that reaches the model."""
    return any(
        isinstance(part, Prompt) or (isinstance(part, SlashCommand) and not part.local)
        for part in parts
    )


def id_of(entry: dict[str, Any]) -> str | None:
    """The uuid of a prompt; one that waited in the CLI's queue has its own inside."""
    attachment = entry.get("attachment")
    queued = attachment.get("source_uuid") if isinstance(attachment, dict) else None
    return encodable(as_str(queued) or as_str(entry.get("uuid"))) or None
