"""What a `user` message says: its words, its images, and whether Claude Code wrote it itself."""

from __future__ import annotations

from opcode_htmx.engines.claude.protocol import user_entries
from opcode_htmx.engines.messages import ImageContent, TextContent, User
from opcode_htmx.engines.user_parts import CommandOutput

MAX_PROMPT_CHARACTERS = 200_000


def words_of(prompt: User) -> str:
    """What a prompt says, as one text."""
    return "\n".join(part.text for part in prompt.content if isinstance(part, TextContent))


def images_in(prompt: User) -> list[ImageContent]:
    """The images of a prompt."""
    return [part for part in prompt.content if isinstance(part, ImageContent)]


def is_report(message: User) -> bool:
    """Whether it is Claude's own report, which comes between turns as well and begins none."""
    parts = user_entries.parts_of(message)
    return bool(parts) and all(isinstance(part, CommandOutput) for part in parts)
