"""What a tool was asked to do and what it did, in the words and parts that a card shows."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..claude.messages import Json
from . import diff
from .diff import DiffLine
from .wording import as_json

SHOWN_CHARACTERS = 20_000
"""Longer texts are cut in the card; the whole text has an address of its own."""

_PATH_KEYS = ("file_path", "notebook_path", "path")
_SUMMARY_KEYS = (
    *("command", "pattern", "query", "url", "description", "prompt", "skill", "subject"),
    *_PATH_KEYS,
)
_EDIT_KEYS = frozenset({"file_path", "old_string", "new_string", "replace_all"})


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as far as the card shows it, and how many characters it leaves out."""

    text: str
    left_out: int


@dataclass(frozen=True, slots=True)
class ToolView:
    """The parts of a card: one line that says what, and the details to open."""

    title: str
    summary: str
    command: Cut | None
    """Text to be shown as it stands: a command, or the input as JSON."""
    plan: str
    """Markdown."""
    changes: tuple[DiffLine, ...]


def present(name: str, tool_input: Json, details: object, project: str) -> ToolView:
    """The view of a call with `tool_input`; paths inside `project` are shown relative to it."""
    changes = _changes(name, tool_input, details)
    summary = _summary(tool_input, project)
    if changes:
        added, removed = diff.count(changes)
        summary += f" +{added} −{removed}"
    plan = tool_input.get("plan")
    return ToolView(
        title=_title(name),
        summary=summary,
        command=None if changes or plan else _command(name, tool_input),
        plan=plan if isinstance(plan, str) else "",
        changes=tuple(changes),
    )


def cut(text: str) -> Cut:
    return Cut(text[:SHOWN_CHARACTERS], max(0, len(text) - SHOWN_CHARACTERS))


def _title(name: str) -> str:
    if name.startswith("mcp__"):
        server, _, tool = name.removeprefix("mcp__").partition("__")
        return f"{server}: {tool}"
    return name


def _summary(tool_input: Json, project: str) -> str:
    for key in _SUMMARY_KEYS:
        value = tool_input.get(key)
        if isinstance(value, str) and value.strip():
            text = _relative(value, project) if key in _PATH_KEYS else value.strip()
            first, _, rest = text.partition("\n")
            return f"{first} …" if rest else first
    return ""


def _relative(path: str, project: str) -> str:
    if project and path.startswith(project.rstrip("/") + "/"):
        return os.path.relpath(path, project)
    return path


def _command(name: str, tool_input: Json) -> Cut | None:
    command = tool_input.get("command")
    if name == "Bash" and isinstance(command, str):
        return cut(command)
    if not tool_input or tool_input.keys() <= _EDIT_KEYS & set(_PATH_KEYS):
        return None
    return cut(as_json(tool_input))


def _changes(name: str, tool_input: Json, details: object) -> list[DiffLine]:
    if isinstance(details, dict) and (lines := diff.from_patch(details.get("structuredPatch"))):
        return lines
    match name, tool_input:
        case "Edit", {"old_string": str(old), "new_string": str(new)}:
            return diff.between(old, new)
        case "MultiEdit", {"edits": list(edits)}:
            return [line for edit in edits for line in _changes("Edit", _dict(edit), None)]
        case "Write", {"content": str(content)}:
            return diff.between("", content)
        case "NotebookEdit", {"new_source": str(source)}:
            return diff.between("", source)
    return []


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}
