"""What a `user` message says: its words, its images, and whether Claude Code wrote it itself."""

from __future__ import annotations

from ..claude.messages import ImageContent, TextContent, User

_OUTPUT = ("<local-command-stdout>", "<local-command-stderr>")
"""How Claude Code begins what it reports by itself, such as a change of the model."""


def words_of(prompt: User) -> str:
    """What a prompt says, as one text."""
    return "\n".join(_texts(prompt))


def images_in(prompt: User) -> list[ImageContent]:
    """The images of a prompt."""
    return [part for part in prompt.content if isinstance(part, ImageContent)]


def is_report(message: User) -> bool:
    """Whether it is Claude's own report, which comes between turns as well and begins none."""
    texts = _texts(message)
    return bool(texts) and all(text.startswith(_OUTPUT) for text in texts)


def _texts(message: User) -> list[str]:
    return [part.text for part in message.content if isinstance(part, TextContent)]
