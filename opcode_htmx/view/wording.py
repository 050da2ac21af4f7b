"""What Claude's lines are called in a person's words, and which of them are not for a person."""

from __future__ import annotations

import json
import re

from ..claude.messages import Unknown
from .terminal import spans

_WRAPPED = re.compile(
    r"<(system-reminder|local-command-caveat|task-notification)>.*?</\1>\s*", re.DOTALL
)
_COMMAND = re.compile(
    r"\s*(?:<command-message>.*?</command-message>\s*)?<command-name>(.*?)</command-name>",
    re.DOTALL,
)
_COMMAND_ARGUMENTS = re.compile(r"<command-args>(.*?)</command-args>", re.DOTALL)
_COMMAND_OUTPUT = re.compile(
    r"\s*<(local-command-stdout|local-command-stderr)>(.*)</\1>\s*", re.DOTALL
)
_EMPHASIS = re.compile(r"(`|\*\*)(\S(?:[^`*\n]*\S)?)\1")
LONGEST_LINE = 300
"""Characters; what is longer is to be read, and no notice."""
_INTERRUPTION = re.compile(r"\[(Request interrupted by user[^\]\n]*)\]")

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


def prompt_text(text: str) -> str:
    """The words of the person in a user entry, without what the CLI wraps around them."""
    text = _WRAPPED.sub("", text)
    if command := _COMMAND.match(text):
        arguments = _COMMAND_ARGUMENTS.search(text)
        return f"{command[1]} {arguments[1] if arguments else ''}".strip()
    return text.strip()


def is_command(text: str) -> bool:
    """Whether a user entry is a slash command, which is told after its own output."""
    return _COMMAND.match(text) is not None


def command_output(text: str) -> str | None:
    """What a slash command printed, if `text` is that and nothing else."""
    output = _COMMAND_OUTPUT.fullmatch(text)
    return output[2].strip() if output else None


def told_in_a_line(output: str) -> str:
    """What a command printed as plain words, if it is one line, as `/model` says; else empty."""
    line = "".join(span.text for span in spans(output)).strip()
    plain = _EMPHASIS.sub(lambda found: found[2], line)
    return "" if "\n" in plain or len(plain) > LONGEST_LINE else plain


def interruption(text: str) -> str | None:
    """The sentence about an interruption, if `text` is that and nothing else."""
    match = _INTERRUPTION.fullmatch(text)
    return f"{match[1]}." if match else None


def is_bookkeeping(unknown: Unknown, *, live: bool) -> bool:
    """Whether an unknown line is the CLI's own account and no part of the conversation.

    On stdout everything unknown is shown. A history file holds many kinds of entries for the
    CLI's own use; there, what carries a message of its own id is conversation.
    """
    if unknown.type in _QUIET_STREAM:
        return True
    return not live and not {"message", "uuid"} <= unknown.raw.keys()


def as_json(value: object) -> str:
    """A value of Claude's as JSON to read."""
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        return "This is nested too deeply to be shown."
