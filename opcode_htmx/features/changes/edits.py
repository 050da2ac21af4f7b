"""The files that Claude's own tools have changed in a session, for folders without a repository."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread, yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.rendering.tool_cards import present_block
from opcode_htmx.transcript.blocks import Block, ToolBlock, ToolState
from opcode_htmx.transcript.content.weight import is_heavy

_TOOLS = {"Edit": "file_path", "MultiEdit": "file_path", "Write": "file_path"} | {
    "NotebookEdit": "notebook_path"
}
"""The tools that change a file, and the fields with its path."""
MOST = 500
"""Files that the page lists; it says how many there are."""


@dataclass(frozen=True, slots=True)
class EditedFile:
    """A file with the edits that succeeded."""

    path: str
    """Relative to the session's folder, absolute outside of it."""
    edits: int
    added: int
    """Lines of all edits, also of those that a later one took back."""
    removed: int
    element: str
    """The id of the newest edit on the session's page."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]


def edited(blocks: Iterable[Block], folder: str) -> list[EditedFile]:
    """The files that were edited, the one that was edited last first."""
    found: dict[str, EditedFile] = {}
    for block in _edits(blocks):
        path = _within(str(block.input.get(_TOOLS[block.name])), folder)
        added, removed = _lines(block, folder)
        before = found.pop(path, EditedFile(path, 0, 0, 0, ""))
        found[path] = EditedFile(
            path,
            before.edits + 1,
            before.added + added,
            before.removed + removed,
            dom_id(block.id),
        )
    return list(reversed(found.values()))


def _lines(block: ToolBlock, folder: str) -> tuple[int, int]:
    """The lines that an edit added and removed, as its card says; a heavy one's in a thread."""
    if is_heavy(block):  # the diff of 5 MB takes a second
        view = run_cpu_in_thread(present_block, block, folder)
    else:
        view = present_block(block, folder)
    return view.added or 0, view.removed


def _edits(blocks: Iterable[Block]) -> Iterator[ToolBlock]:
    """The calls that have changed a file, those of subagents among them."""
    for block in yielding(blocks):
        if isinstance(block, ToolBlock) and block.name in _TOOLS:
            path = block.input.get(_TOOLS[block.name])
            if block.state is ToolState.DONE and isinstance(path, str) and path:
                yield block
        if block.children:
            yield from _edits(block.children)


def _within(path: str, folder: str) -> str:
    """A path relative to the folder; absolute if it leads out of it."""
    whole = os.path.normpath(Path(folder, path))
    inside = whole.startswith(f"{folder.rstrip('/')}/")
    return os.path.relpath(whole, folder) if inside else whole
