"""The details that a permission card adds to the call, so that no part of it is hidden. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.lib.dataclass import dataclass
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
    """How large a call is, and what the card omits; each is empty where there is nothing to say.

    `words`: `12 lines`, or of a diff `2 lines added, 1 removed`. `short`: the same on a low screen.
    """

    words: str = ""
    short: str = ""
    left_out: str = ""


def extent_of(view: ToolView) -> Extent:
    """The extent of the call on a permission card."""
    if view.changes:
        return _extent_of_diff(view)
    if view.plan:
        return _extent_of_lines(line_count(view.plan.strip()))
    if view.command is None:
        return Extent()
    left_out = view.command.left_out
    return _extent_of_lines(view.command.lines, plural(left_out, "character") if left_out else "")


def _extent_of_lines(number: int, left_out: str = "") -> Extent:
    words = plural(number, "line") if number > 1 else ""
    return Extent(words, words, left_out)


def _extent_of_diff(view: ToolView) -> Extent:
    """Lines that stay as they are do not count, unlike those of a new file, which is all added."""
    number, added, removed = len(view.changes), view.added or 0, view.removed or 0
    left_out = plural(number - SHOWN_LINES, "line") if number > SHOWN_LINES else ""
    if number == added or not added and not removed:
        return _extent_of_lines(number, left_out)
    if added and removed:
        words = f"{plural(added, 'line')} added, {removed:,} removed"
    else:
        words = f"{plural(added or removed, 'line')} {'added' if added else 'removed'}"
    parts = (f"+{added:,}" if added else "", f"−{removed:,}" if removed else "")
    return Extent(words, " ".join(filter(None, parts)), left_out)


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
        if name not in shown and not is_without_effect(value, request)
    }
    return cut(as_json(others)) if others else None


def is_without_effect(value: object, request: PermissionRequest) -> bool:
    """Whether a field of the input says nothing, or nothing new."""
    return value is None or value is False or value in ("", request.description)
