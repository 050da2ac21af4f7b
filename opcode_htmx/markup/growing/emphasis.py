"""Close the bold text at the end of a growing one, so that its signs are not seen meanwhile."""

from __future__ import annotations

import re

from opcode_htmx.lib.late.patterns import late_pattern

_SIGN = late_pattern(r"\\.|(`++)|(\*\*++)|\n[ \t]*+\n", re.DOTALL)
_FENCE = late_pattern(r"^[ \t>]*+(?:`{3}|~{3})", re.MULTILINE)
_LONGEST = 3
"""Signs of bold text that is also in italics."""


def closed(text: str) -> str:
    """`text` with the bold text closed that goes on at its end; without signs that begin nothing.

    Text that has none, and text with a code block, is returned unchanged.
    """
    if "**" not in text or _FENCE.search(text):
        return text
    opening: re.Match[str] | None = None
    place, end = 0, len(text)
    while found := _SIGN.search(text, place):
        place = found.end()
        if found[1]:
            code_end = text.find(found[1], place)
            if code_end < 0:
                break  # in code that goes on, signs mean nothing
            place = code_end + len(found[1])
        elif found[2]:
            before, after = text[: found.start()][-1:], text[place : place + 1]
            if opening and not before.isspace():
                opening = None
            elif not after:
                end = found.start()
            elif not (after.isspace() or before.isalnum()):
                opening = found
        elif found[0].startswith("\n"):
            opening = None
    if opening is None:
        return text[:end]
    words = text[opening.end() : end].rstrip().removesuffix("*").rstrip()
    if not words:
        return text[: opening.start()]
    return f"{text[: opening.end()]}{words}{opening[2][:_LONGEST]}"
