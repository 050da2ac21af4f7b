"""What the card of a permission request says beside the call, so that nothing of it hides. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.markup.diff import SHOWN_LINES
from opcode_htmx.rendering.cards.parts import (
    Cut,
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
"""The fields of an input that the tool's own card shows. Any other tool's card shows its JSON."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is beyond the first line, and what of it the card leaves out, in words."""

    more_lines: int = 0
    left_out: str = ""


def extent_of(view: ToolView) -> Extent:
    """The extent of what a card asks about."""
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
    """The lines above a call: what Claude says of it, and what it is, where the call is not shown.

    The description is Claude's own and may say anything, so it never stands for the call.
    """
    said = request.description.strip()
    # Where a command has no description, the CLI gives its beginning
    begins = view.command is not None and view.command.text.startswith(said.rstrip("…").rstrip())
    lines = [] if begins or said in ("", view.summary) else [said]
    return lines if view.command else [*lines, *filter(None, [view.summary])]


def other_fields(request: PermissionRequest, view: ToolView) -> Cut | None:
    """The fields of the input that the tool's card does not show, as JSON; None if there are none.

    Fields without an effect, such as an empty text, are left out.
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
