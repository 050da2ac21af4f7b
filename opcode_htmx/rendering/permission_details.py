"""The details that a permission card adds to the call, so that no part of it is hidden. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.markup.diff import SHOWN_LINES
from opcode_htmx.rendering.cards.parts import (
    CutText,
    ToolView,
    cut,
    line_count,
    plural,
)
from opcode_htmx.transcript.cli_text import as_json

_SHOWN_FIELDS: Mapping[str, frozenset[str]] = {
    "Bash": frozenset({"command", "dangerouslyDisableSandbox"}),
    "Edit": frozenset({"file_path", "old_string", "new_string", "replace_all"}),
    "MultiEdit": frozenset({"file_path", "edits"}),
    "Write": frozenset({"file_path", "content"}),
    "NotebookEdit": frozenset({"notebook_path", "new_source"}),
    "Read": frozenset({"file_path"}),
    "Grep": frozenset({"pattern", "path"}),
    "Glob": frozenset({"pattern", "path"}),
    "Task": frozenset({"description", "prompt"}),
    "Agent": frozenset({"description", "prompt"}),
    "WebFetch": frozenset({"url", "prompt"}),
    "WebSearch": frozenset({"query"}),
    "ExitPlanMode": frozenset({"plan", "planFilePath"}),
}
"""The input fields that a tool's card shows. Cards of other tools show the whole input as JSON."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The number of lines after the first, and what the card omits: `12 lines`; or empty."""

    more_lines: int = 0
    left_out: str = ""


def extent_of(view: ToolView) -> Extent:
    """The extent of the call on a permission card."""
    if view.changes:
        left_out = max(0, len(view.changes) - SHOWN_LINES)
        return Extent(len(view.changes) - 1, plural(left_out, "line") if left_out else "")
    if view.plan:
        return Extent(line_count(view.plan.strip()) - 1)
    if view.command is None:
        return Extent()
    left_out = view.command.left_out
    return Extent(view.command.lines - 1, plural(left_out, "character") if left_out else "")


def introduction(request: PermissionRequest, view: ToolView) -> list[str]:
    """The lines above a call: Claude's description, and the summary if the call is not shown.

    The description is written by Claude and may be wrong, so it never replaces the call.
    """
    description = request.description.strip()
    # If a command has no description, the CLI sends the start of the command
    start = description.rstrip("…").rstrip()
    is_start = view.command is not None and view.command.text.startswith(start)
    lines = [] if is_start or description in ("", view.summary) else [description]
    return lines if view.command else [*lines, *filter(None, [view.summary])]


def other_fields(request: PermissionRequest, view: ToolView) -> CutText | None:
    """The input fields that the tool's card does not show, as JSON; None if there are none.

    Fields without an effect, such as an empty text, are omitted.
    """
    shown = _SHOWN_FIELDS.get(request.tool_name, frozenset())
    if request.tool_name not in _SHOWN_FIELDS and (view.command or view.plan):
        return None
    others = {
        name: value
        for name, value in request.input.items()
        if name not in shown and not _is_without_effect(value, request)
    }
    return cut(as_json(others)) if others else None


def _is_without_effect(value: object, request: PermissionRequest) -> bool:
    return value is None or value is False or value in ("", request.description)
