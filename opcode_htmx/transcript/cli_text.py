"""Text helpers for the CLI's output: single-line results, unknown lines, JSON for people."""

from __future__ import annotations

import json

from opcode_htmx.engines.messages import Unknown
from opcode_htmx.lib.coerce import is_larger
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.ansi import plain

_EMPHASIS = late_pattern(r"(`|\*\*)(\S(?:[^`*\n]*\S)?)\1")
LONGEST_LINE = 300
"""Characters; longer output is no notice."""
_LONGEST_OUTPUT = 10 * LONGEST_LINE
"""The same with escape sequences of a terminal."""

_SMALL = 20_000
"""Characters and values that are formatted as JSON within a few milliseconds."""

_HIDDEN_TYPES = frozenset(
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


def as_single_line(output: str) -> str:
    """The output of a command as plain text if it is one line, as that of `/model`; else empty."""
    output = output.strip()
    if len(output) > _LONGEST_OUTPUT:
        return ""
    line = plain(output).strip()
    words = _EMPHASIS.sub(lambda found: found[2], line)
    return "" if "\n" in words or len(words) > LONGEST_LINE else words


def is_bookkeeping(unknown: Unknown, *, live: bool) -> bool:
    """Whether an unknown line is for the CLI's own use, and no part of the conversation.

    On stdout (`live`) every unknown line is shown. A history file holds many kinds of entries for
    the CLI's own use; there, an entry with a message and a uuid is conversation.
    """
    if unknown.type in _HIDDEN_TYPES:
        return True
    return not live and not {"message", "uuid"} <= unknown.raw.keys()


def as_json(value: object) -> str:
    """A value as indented JSON for people; a large one is formatted in a thread."""
    return run_cpu_in_thread(_as_json, value) if is_larger(_SMALL, value) else _as_json(value)


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        return "This is nested too deeply to be shown."
