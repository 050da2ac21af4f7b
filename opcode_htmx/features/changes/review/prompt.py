"""The prompt that comments make: each with its file, lines and code."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from opcode_htmx.features.changes.review.anchors import Anchored
from opcode_htmx.features.changes.review.store import OLD
from opcode_htmx.lib.late.patterns import late_pattern

MOST_LINES = 60
"""Lines of code that a comment quotes; Claude reads the others in the file."""
MOST_CHARACTERS = 6000
_PLAIN = late_pattern(r"[^\x00-\x1f\x7f`\"]+")
_FENCES = late_pattern(r"`{3,}")


def prompt_of(comments: Sequence[Anchored], top: Path, folder: Path) -> str:
    """One prompt with all comments, for a session that works in `folder`.

    `top` is the folder that the paths of the comments are relative to.
    """
    parts = ["Please go through this comment on the changes, and mend what it says:"]
    if len(comments) != 1:
        count = f"these {len(comments)} comments"
        parts = [f"Please go through {count} on the changes, and mend what they say:"]
    parts += [_about(number, each, top, folder) for number, each in enumerate(comments, 1)]
    return "\n\n".join(parts)


def _about(number: int, anchored: Anchored, top: Path, folder: Path) -> str:
    comment = anchored.comment
    first, last = anchored.first, anchored.last
    lines = f"line {first}" if first == last else f"lines {first}-{last}"
    if comment.on == OLD:
        lines = f"{lines} of the version before, which the change removed or replaced"
    elif anchored.is_outdated:
        lines = f"{lines}, which have changed since the comment was written"
    name = _name(top / os.fsdecode(anchored.path), top, folder)
    return f"{number}. {name}, {lines}:\n\n{_quoted(comment.code)}\n\n{comment.text}"


def _name(file: Path, top: Path, folder: Path) -> str:
    """A path as the session knows it: as code, or as a string of JSON if it is unusual."""
    path = os.path.relpath(file, folder) if folder.is_relative_to(top) else str(file)
    return f"`{path}`" if _PLAIN.fullmatch(path) else json.dumps(path)


def _quoted(code: str) -> str:
    lines = code.split("\n")
    shown = "\n".join(lines[:MOST_LINES])[:MOST_CHARACTERS]
    if len(shown) < len(code):
        shown += "\n[…]"
    longest = max((len(each) for each in _FENCES.findall(shown)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{shown}\n{fence}"
