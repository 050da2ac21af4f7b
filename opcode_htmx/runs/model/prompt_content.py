"""The content of a `user` message: words, images, and whether it is a report of Claude's."""

from __future__ import annotations

from collections.abc import Sequence

from opcode_htmx.engines.contents import ImageContent, TextContent
from opcode_htmx.engines.messages import User
from opcode_htmx.engines.user_parts import CommandOutput, Part

MAX_PROMPT_CHARACTERS = 200_000


def words_of(prompt: User) -> str:
    """The words of a prompt, as one text."""
    return "\n".join(part.text for part in prompt.content if isinstance(part, TextContent))


def images_in(prompt: User) -> list[ImageContent]:
    """The images of a prompt."""
    return [part for part in prompt.content if isinstance(part, ImageContent)]


def is_report(parts: Sequence[Part]) -> bool:
    """Whether an entry with these parts is a report of Claude's own.

    Such a report comes between turns as well and begins none.
    """
    return bool(parts) and all(isinstance(part, CommandOutput) for part in parts)
