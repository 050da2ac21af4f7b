"""The line of ours that replaces a line which is too long. Every engine parses it to `LongLine`."""

from __future__ import annotations

import json

LONG_LINE = "opcode_long_line"
"""Its type."""


def long_line(offset: int, size: int) -> bytes:
    """The replacement for a line of `size` bytes that begins at byte `offset` of its file.

    It is one of our own, for a line that is too long to be kept, shown or passed on.
    """
    words = "A line of Claude's is too long for this server (OPCODE_MAX_LINE) and was left out."
    content = {"type": LONG_LINE, "offset": offset, "bytes": size, "message": words}
    return json.dumps(content).encode()
