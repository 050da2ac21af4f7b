"""What Claude's lines are called in a person's words, and which of them are not for a person."""

from __future__ import annotations

import json
import re

from opcode_htmx.engines.messages import Unknown
from opcode_htmx.lib.coerce import is_larger
from opcode_htmx.lib.cooperative import run_cpu_in_thread
from opcode_htmx.markup.ansi import plain

_EMPHASIS = re.compile(r"(`|\*\*)(\S(?:[^`*\n]*\S)?)\1")
LONGEST_LINE = 300
"""Characters; what is longer is to be read, and no notice."""
_LONGEST_OUTPUT = 10 * LONGEST_LINE
"""The same with the escapes of a terminal."""

_SMALL = 20_000
"""Characters and values that are laid out as JSON in a few milliseconds."""

_QUIET_STREAM = frozenset(
    {
        "keep_alive",
        "tool_progress",
        "prompt_suggestion",
        "streamlined_text",
        "streamlined_tool_use_summary",
        "tool_use_summary",
        "sidechain",
    }
)


def shown_in_a_line(output: str) -> str:
    """What a command printed as plain words, if it is one line, as `/model` says; else empty."""
    output = output.strip()
    if len(output) > _LONGEST_OUTPUT:
        return ""
    line = plain(output).strip()
    words = _EMPHASIS.sub(lambda found: found[2], line)
    return "" if "\n" in words or len(words) > LONGEST_LINE else words


def is_bookkeeping(unknown: Unknown, *, live: bool) -> bool:
    """Whether an unknown line is the CLI's own account and no part of the conversation.

    On stdout everything unknown is shown. A history file holds many kinds of entries for the
    CLI's own use; there, what carries a message of its own id is conversation.
    """
    if unknown.type in _QUIET_STREAM:
        return True
    return not live and not {"message", "uuid"} <= unknown.raw.keys()


def as_json(value: object) -> str:
    """A value of Claude's as JSON to read. Others have their turn while it is a large one."""
    return run_cpu_in_thread(_as_json, value) if is_larger(_SMALL, value) else _as_json(value)


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        return "This is nested too deeply to be shown."
