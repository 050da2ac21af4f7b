"""Describe Claude's current activity, or a request, in a few words for the status line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from urllib.parse import urlsplit

from opcode_htmx.engines.messages import Ask, PermissionRequest
from opcode_htmx.lib.coerce import Json
from opcode_htmx.markup.visible_text import LONG_GAP
from opcode_htmx.rendering.cards.parts import first_line
from opcode_htmx.transcript.blocks import (
    Block,
    TextBlock,
    ThinkingBlock,
    ToolBlock,
    ToolState,
)
from opcode_htmx.transcript.content.raw import log_failure

LONGEST = 80
"""Characters of a description."""

_VERBS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Bash": ("Running", ("command",)),
    "Read": ("Reading", ("file_path",)),
    "Edit": ("Editing", ("file_path",)),
    "MultiEdit": ("Editing", ("file_path",)),
    "Write": ("Writing", ("file_path",)),
    "NotebookEdit": ("Editing", ("notebook_path",)),
    "Grep": ("Searching for", ("pattern",)),
    "Glob": ("Looking for", ("pattern",)),
    "Task": ("Agent:", ("description", "subagent_type")),
    "Agent": ("Agent:", ("description", "subagent_type")),
    "WebFetch": ("Fetching", ("url",)),
    "WebSearch": ("Searching the web for", ("query",)),
    "Skill": ("Using the skill", ("skill",)),
}
_OF_REQUESTS = {"AskUserQuestion": ("Asking", "a question"), "ExitPlanMode": ("Showing", "a plan")}
"""The tools that only ask the user: what they do, with what."""
_PATHS = frozenset({"file_path", "notebook_path"})


def activity_of(block: Block | None) -> str:
    """The activity that a block shows: `Running npm test`, `Thinking…`, `Writing…`; or empty."""
    match block:
        case ToolBlock(state=ToolState.PREPARING):
            return f"Preparing {_OF_REQUESTS.get(block.name, ('', block.name))[1]}…"
        case ToolBlock():
            try:
                return call_text(block.name, block.input)
            except Exception:  # show less in the status line rather than no page
                log_failure(block, "described")
                return _shorten(f"Using {block.name}")
        case ThinkingBlock(open=True):
            return "Thinking…"
        case TextBlock(open=True):
            return "Writing…"
        case _:
            return ""


def call_text(name: str, tool_input: Json) -> str:
    """A tool call as an activity."""
    if name == "TodoWrite":
        return "Planning"
    if name in _OF_REQUESTS:
        return " ".join(_OF_REQUESTS[name])
    verb, keys = _VERBS.get(name, ("", ()))
    for key in keys:
        value = tool_input.get(key)
        if isinstance(value, str) and value.strip():
            return _shorten(f"{verb} {_object(key, value)}")
    return _shorten(f"Using {name.removeprefix('mcp__').replace('__', ': ')}")


def request_text(request: Ask) -> str:
    """The subject of a request: `a question`, `a plan`, `Bash: npm test`, `weather: Which city?`"""
    if not isinstance(request, PermissionRequest):
        server = request.label or request.server
        words = first_line(request.title or request.message)
        return _shorten(": ".join(filter(None, (server, words))) or "a question")
    match request.tool_name:
        case name if name in _OF_REQUESTS:
            return _OF_REQUESTS[name][1]
        case name:
            command = request.input.get("command")
            path = request.input.get("file_path", request.input.get("notebook_path"))
            subject = next((each for each in (command, path) if isinstance(each, str)), "")
            if subject == path:
                subject = PurePath(subject).name
            return _shorten(f"{name}: {first_line(subject)}" if subject.strip() else name)


def _object(key: str, value: str) -> str:
    if key in _PATHS:
        return first_line(PurePath(value.strip()).name or value)
    if key == "url":
        return first_line(_host(value.strip()) or value)
    return first_line(value)


def _host(url: str) -> str:
    """The host of a URL; empty if it is not valid."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _shorten(text: str) -> str:
    """Limit a text to LONGEST characters, and cut it at a gap that pushes words out of sight."""
    if gap := LONG_GAP.search(text):
        text = f"{text[: gap.start()]} …"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
