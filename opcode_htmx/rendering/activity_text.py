"""What Claude is doing just now, in a few words, from the newest block that is not finished."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from urllib.parse import urlsplit

from opcode_htmx.engines.messages import PermissionRequest
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
_PATHS = frozenset({"file_path", "notebook_path"})


def doing(block: Block | None) -> str:
    """`Running npm test`, `Thinking…`, `Writing…`; empty if nothing tells."""
    match block:
        case ToolBlock(state=ToolState.PREPARING):
            return f"Preparing {block.name}…"
        case ToolBlock():
            try:
                return call(block.name, block.input)
            except Exception:  # the status line says less, and the page stays
                log_failure(block, "put into words")
                return _short(f"Using {block.name}")
        case ThinkingBlock(open=True):
            return "Thinking…"
        case TextBlock(open=True):
            return "Writing…"
        case _:
            return ""


def call(name: str, tool_input: Json) -> str:
    """A tool's call as something that goes on."""
    if name == "TodoWrite":
        return "Planning"
    verb, keys = _VERBS.get(name, ("", ()))
    for key in keys:
        value = tool_input.get(key)
        if isinstance(value, str) and value.strip():
            return _short(f"{verb} {_object(key, value)}")
    return _short(f"Using {name.removeprefix('mcp__').replace('__', ': ')}")


def asked(request: PermissionRequest) -> str:
    """What a request of Claude's is about."""
    match request.tool_name:
        case "AskUserQuestion":
            return "a question"
        case "ExitPlanMode":
            return "a plan"
        case name:
            command = request.input.get("command")
            path = request.input.get("file_path", request.input.get("notebook_path"))
            what = next((each for each in (command, path) if isinstance(each, str)), "")
            if what == path:
                what = PurePath(what).name
            return _short(f"{name}: {first_line(what)}" if what.strip() else name)


def _object(key: str, value: str) -> str:
    if key in _PATHS:
        return first_line(PurePath(value.strip()).name or value)
    if key == "url":
        return first_line(_host(value.strip()) or value)
    return first_line(value)


def _host(url: str) -> str:
    """Where an address leads; empty where it is none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _short(text: str) -> str:
    """One line; what stands behind a gap that pushes it out of sight is left out, and said so."""
    if gap := LONG_GAP.search(text):
        text = f"{text[: gap.start()]} …"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
