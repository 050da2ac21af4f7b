"""Make the cards of tools that read, search and change files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup import diff, highlight
from opcode_htmx.markup.diff import DiffLine
from opcode_htmx.rendering.cards import notebooks
from opcode_htmx.rendering.cards.parts import (
    SHOWN_CHARACTERS,
    Call,
    ColouredText,
    ToolView,
    cut,
    number,
    plain,
    plural,
    relative,
    text_of,
)
from opcode_htmx.transcript.cli_text import as_json

_PATHS = frozenset({"file_path", "notebook_path"})
_NUMBERED = late_pattern(r"^ *(\d+)(?:\t|→)(.*)$")


def read(call: Call) -> ToolView:
    file = call.result.get("file")
    file = file if isinstance(file, dict) else {}
    content, start = _content(call, file)
    lines = content.count("\n") + 1 if content else 0
    path = call.text("file_path")
    view = ToolView(title="Read", summary=call.path("file_path"), is_path=True, file=path)
    if cells := notebooks.cells_of(file):
        return replace(view, outcome=plural(len(cells), "cell"), shown=notebooks.shown(cells))
    if call.failed or not content:
        shown = plain("" if call.result.get("type") == "image" else call.printed)
        return replace(view, place=_asked_range(call), shown=shown)
    total = number(file.get("totalLines"))
    whole = start == 1 and (total is None or lines >= total) and not call.input.get("limit")
    return replace(
        view,
        # A final line feed begins no line: the outcome matches the line numbers
        outcome=plural(max(1, lines - content.endswith("\n")), "line") if whole else "",
        file=path if whole else f"{path}:{start}",
        place="" if whole else f"{start}–{start + lines - 1}",
        shown=_numbered(content, start, call.text("file_path")),
    )


def read_text(call: Call) -> str:
    """The text that was read: a notebook with its outputs, or lines with their numbers."""
    cells = notebooks.cells_of(call.result.get("file"))
    if cells:
        return notebooks.in_text(cells)
    return "" if call.result.get("type") == "image" else call.printed


def _content(call: Call, file: dict[str, object]) -> tuple[str, int]:
    """The text that was read, without the CLI's line numbers, and the number of its first line."""
    if text_of(file.get("content")):
        return text_of(file["content"]), number(file.get("startLine")) or 1
    matches = [_NUMBERED.match(line) for line in call.printed.splitlines()]
    found = [match for match in matches if match]
    if not found or len(found) < len(matches):
        return "", 1
    return "\n".join(match[2] for match in found), int(found[0][1])


def _asked_range(call: Call) -> str:
    offset, limit = number(call.input.get("offset")), number(call.input.get("limit"))
    if offset is None and limit is None:
        return ""
    first = offset or 1
    return f"{first}–{first + limit - 1}" if limit else f"from {first}"


def _numbered(content: str, start: int, name: str) -> ColouredText:
    text = content[:SHOWN_CHARACTERS]
    last = start + text.count("\n") + (not text.endswith("\n"))
    numbers = "\n".join(str(each) for each in range(start, last))
    shown = highlight.file(text, name)
    return ColouredText(shown.spans, len(content) - len(text), numbers, shown.note)


def search(call: Call) -> ToolView:
    result = call.result
    names = [relative(text_of(name), call.project) for name in _list(result.get("filenames"))]
    found = text_of(result.get("content")) or "\n".join(names) or call.printed
    pattern = call.text("pattern")
    place = call.path("path", "glob") if call.name == "Grep" else call.path("path")
    shown_pattern = f'"{pattern}"' if call.name == "Grep" else pattern
    where = f" in {place}" if place and place != call.project else ""
    return ToolView(
        title=call.name,
        summary=f"{shown_pattern}{where}",
        outcome="" if call.failed else _count(call),
        shown=plain(found),
    )


def _count(call: Call) -> str:
    result = call.result
    files, matches = number(result.get("numFiles")), number(result.get("numMatches"))
    lines = number(result.get("numLines"))
    match result.get("mode"):
        case "content" if lines is not None:
            return plural(lines, "line")
        case "count" if matches is not None:
            return plural(matches, "match")
        case _ if files is not None:
            total = number(result.get("totalMatches")) or number(result.get("totalFiles")) or files
            return (
                f"{files:,} of {plural(total, 'file')}" if total > files else plural(files, "file")
            )
    return ""


def edit(call: Call) -> ToolView:
    """The card of Edit, MultiEdit, Write and NotebookEdit."""
    changes = tuple(_changes(call))
    added, removed = diff.count(changes)
    is_shown = bool(changes) or not call.input.keys() - _PATHS
    return ToolView(
        title=call.name,
        summary=call.path("file_path", "notebook_path"),
        is_path=True,
        file=_changed_place(call, changes),
        command=None if is_shown else cut(as_json(call.input)),
        note=_note(call),
        added=added if changes else None,
        removed=removed,
        changes=changes,
        shown=plain(call.printed) if call.failed else None,
    )


def _changed_place(call: Call, changes: Iterable[DiffLine]) -> str:
    """The path of a changed file, and its first changed line if that is known."""
    path = call.text("file_path") or call.text("notebook_path")
    line = next((each.new for each in changes if each.kind == "add" and each.new), None)
    return f"{path}:{line}" if path and line and line > 1 else path


def _note(call: Call) -> str:
    if call.input.get("replace_all") is True:
        return "Every occurrence is replaced."
    if call.input.get("edit_mode") == "delete":
        return "The cell is deleted."
    return ""


def _changes(call: Call) -> list[DiffLine]:
    result = call.result
    if lines := diff.from_patch(result.get("structuredPatch")):
        return lines
    match call.name, call.input:
        case "Edit", {"old_string": str(old), "new_string": str(new)}:
            return diff.between(old, new)
        case "MultiEdit", {"edits": list(edits)}:
            return list(_edits(edits))
        case "Write", {"content": str(content)}:
            return diff.between("", content, whole=True)
        case "NotebookEdit", {"new_source": str(source)}:
            return diff.between(text_of(result.get("old_source")), source, whole=True)
    return []


def _edits(edits: list[object]) -> Iterator[DiffLine]:
    gap = False
    for each in _dicts(edits):
        lines = diff.between(text_of(each.get("old_string")), text_of(each.get("new_string")))
        if gap and lines:
            yield DiffLine("gap", "⋯")
        gap = gap or bool(lines)
        yield from lines


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _dicts(value: object) -> list[dict[str, object]]:
    return [each for each in _list(value) if isinstance(each, dict)]
