"""The author of a `user` line: a person, or the CLI and other programs. Pure.

Read from the fields that the CLI writes beside the text, never from the text itself.
"""

from __future__ import annotations

from opcode_htmx.engines.messages import Author
from opcode_htmx.lib.coerce import Json, as_dict, as_str

_ENTERED = frozenset({"typed", "queued", "suggestion_accepted", "sdk"})
"""The values of `promptSource` with which the CLI stores a text exactly as it was entered.

What the CLI composes itself (`!command`, `/command`, interruptions) has no `promptSource`.
"""


def origin_of(raw: Json) -> str:
    """The kind of sender that the line names, such as `human` or `peer`; empty if it names none."""
    return as_str(as_dict(raw.get("origin")).get("kind"))


def is_meta(raw: Json) -> bool:
    """Whether the line is for the model alone: a reminder, a summary of what was compacted."""
    return any(map(raw.get, ("isMeta", "isCompactSummary", "isSynthetic")))


def author_of(raw: Json) -> Author:
    """The author of a `user` line; UNKNOWN for lines of older versions and for stdout's."""
    source = as_str(raw.get("promptSource"))
    if is_meta(raw) or origin_of(raw) not in ("", "human") or source == "system":
        return Author.PROGRAM
    return Author.PERSON if source in _ENTERED else Author.UNKNOWN


def author_of_queued(attachment: Json) -> Author:
    """The author of a `queued_command`: a prompt that was taken up in the middle of a turn."""
    if attachment.get("commandMode", "prompt") != "prompt":
        return Author.PROGRAM
    return Author.PERSON if author_of(attachment) is not Author.PROGRAM else Author.PROGRAM
