"""The texts and figures of a history entry that the index of all sessions keeps.

Pure: a parsed entry in, values out. An unknown entry has no texts; no entry is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.claude.protocol.user_entries import parts_of, parts_of_event
from opcode_htmx.engines.messages import SystemEvent, User
from opcode_htmx.engines.user_parts import Part, Prompt, ShellCommand, ShellOutput, SlashCommand
from opcode_htmx.lib.coerce import Json, as_dict, as_list, as_str

LONGEST_OUTPUT = 20_000
"""Characters of what a tool printed, and of its input, that are searched: the first ones."""
LONGEST_TEXT = 1_000_000
"""Characters of everything else."""
_DEEPEST = 6
"""Levels of a tool's input that are searched."""
_PATH_FIELDS = ("file_path", "notebook_path")


class Role(IntEnum):
    """Who or what a text is from. The numbers are stored."""

    PROMPT = 1
    ANSWER = 2
    THINKING = 3
    CALL = 4
    """The input of a tool."""
    OUTPUT = 5
    """What a tool printed, and what programs have added."""
    SUMMARY = 6
    """The summary that a compaction has made."""


_ANSWER, _THINKING, _CALL, _OUTPUT = Role.ANSWER, Role.THINKING, Role.CALL, Role.OUTPUT
"""Looked up once: a member of an enumeration takes as long as a call."""


class EntryText(NamedTuple):
    """One text of an entry. `call` is the id of the tool call that it belongs to, or empty."""

    role: Role
    text: str
    tool: str = ""
    call: str = ""


def texts_of(entry: Json) -> list[EntryText]:
    """The texts of an entry, in its order."""
    found = _texts_of(entry)
    for at, each in enumerate(found):
        if len(each.text) > LONGEST_TEXT:
            found[at] = each._replace(text=each.text[:LONGEST_TEXT])
    return found


def _texts_of(entry: Json) -> list[EntryText]:
    match entry.get("type"):
        case "assistant":
            return _of_assistant(as_list(as_dict(entry.get("message")).get("content")))
        case "user":
            if entry.get("isCompactSummary") is True:
                return _summary(as_dict(entry.get("message")).get("content"))
            content = as_dict(entry.get("message")).get("content")
            results = [
                each
                for part in (content if isinstance(content, list) else ())
                if isinstance(part, dict) and part.get("type") == "tool_result"
                for each in _of_result(part)
            ]
            return results or _of_person(entry)
        case "system" if entry.get("subtype") == "local_command":
            return _of_person(entry)
        case "attachment":
            return _of_person(entry)
        case _:
            return []


def _of_assistant(content: Sequence[object]) -> list[EntryText]:
    found = []
    for part in map(as_dict, content):
        kind = part.get("type")
        if kind == "text":
            if text := as_str(part.get("text")):
                found.append(EntryText(_ANSWER, text))
        elif kind == "thinking":
            if text := as_str(part.get("thinking")):
                found.append(EntryText(_THINKING, text))
        elif kind == "tool_use":
            text = "\n".join(_strings(part.get("input"), _DEEPEST))[:LONGEST_OUTPUT]
            tool, call = as_str(part.get("name")), as_str(part.get("id"))
            found.append(EntryText(_CALL, text, tool, call))
    return found


def _of_result(part: Json) -> Iterator[EntryText]:
    content = part.get("content")
    if isinstance(content, str):
        text = content
    else:
        text = "\n".join(as_str(as_dict(each).get("text")) for each in as_list(content))
    if text.strip():
        yield EntryText(_OUTPUT, text[:LONGEST_OUTPUT], call=as_str(part.get("tool_use_id")))


def _of_person(entry: Json) -> list[EntryText]:
    message = parser.message_of(entry)
    match message:
        case SystemEvent():
            parts = parts_of_event(message)
        case User():
            parts = parts_of(message)
        case _:
            return []
    return [each for part in parts if (each := _of_part(part))]


def _of_part(part: Part) -> EntryText | None:
    match part:
        case Prompt(text=text):
            return EntryText(Role.PROMPT, text)
        case SlashCommand():
            return EntryText(Role.PROMPT, part.text)
        case ShellCommand(command=command):
            return EntryText(Role.PROMPT, f"! {command}")
        case ShellOutput(stdout=stdout, stderr=stderr):
            return EntryText(Role.OUTPUT, f"{stdout}\n{stderr}"[:LONGEST_OUTPUT])
        case _:
            text = as_str(getattr(part, "text", ""))
            return EntryText(Role.OUTPUT, text[:LONGEST_OUTPUT]) if text.strip() else None


def _summary(content: object) -> list[EntryText]:
    if isinstance(content, str):
        return [EntryText(Role.SUMMARY, content)]
    texts = [as_str(as_dict(part).get("text")) for part in as_list(content)]
    return [EntryText(Role.SUMMARY, text) for text in texts if text]


def _strings(value: object, depth: int) -> Iterator[str]:
    """The texts in a tool's input."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict):
        for each in value.values():
            yield from _strings(each, depth - 1)
    elif depth and isinstance(value, list):
        for each in value:
            yield from _strings(each, depth - 1)


def touched_files(entry: Json) -> list[str]:
    """The paths of the files that the tools of an entry read or write."""
    if entry.get("type") != "assistant":
        return []
    found = []
    for part in as_list(as_dict(entry.get("message")).get("content")):
        if isinstance(part, dict) and part.get("type") == "tool_use":
            inputs = as_dict(part.get("input"))
            found += [path for name in _PATH_FIELDS if (path := as_str(inputs.get(name)))]
    return found
