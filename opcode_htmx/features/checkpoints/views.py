"""What the pages of checkpoints show: rows of files, and the lines of a diff."""

from __future__ import annotations

import base64
import binascii
import stat
from collections.abc import Mapping, Sequence

from opcode_htmx.features.checkpoints.words import KEPT
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.snapshots import plan as plans
from opcode_htmx.lib.git.snapshots.plan import Change, Entry, Kept
from opcode_htmx.lib.git.snapshots.snapshot import Snapshot
from opcode_htmx.lib.git.snapshots.tree import WorkingTree
from opcode_htmx.markup import diff
from opcode_htmx.markup.diff import DiffLine
from opcode_htmx.sessions.checkpoints.service import Preview

MOST_FILES = 300
"""Files that a page names."""
MOST_BYTES = 1_000_000
"""Larger files are not compared line by line."""
SHOWN_LINES = 2_000


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file that differs."""

    path: str
    key: str
    """Names it in an address."""
    act: str
    """What happens to it, in a word."""
    added: int | None
    """Lines; None for what has none."""
    removed: int | None
    is_outside: bool = False
    """Whether it was changed outside of Claude's turns."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files that differ, as many as a page names."""

    rows: Sequence[FileRow]
    count: int
    outside: int = 0
    kept: Sequence[tuple[str, str]] = ()
    """Paths that stay as they are although they differ, and why, in words."""

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


@dataclass(frozen=True, slots=True)
class FileDiff:
    """The diff of one file."""

    path: str
    act: str
    lines: Sequence[DiffLine]
    note: str = ""
    """What is said where there are no lines."""
    added: int = 0
    removed: int = 0


def of_preview(preview: Preview) -> Files:
    """The rows for what a restore would change."""
    return files(
        preview.tree,
        preview.now,
        preview.then,
        preview.plan.changes,
        outside=preview.outside,
        kept=preview.plan.kept,
    )


def files(
    tree: WorkingTree,
    first: Snapshot,
    second: Snapshot,
    changes: Sequence[Change],
    *,
    outside: frozenset[bytes] = frozenset(),
    kept: Mapping[bytes, Kept] | None = None,
) -> Files:
    """The rows for changes from one snapshot to another."""
    counts = plans.line_counts(tree, first, second)
    # what a person would lose comes first
    ordered = sorted(changes, key=lambda each: (each.path not in outside, each.path))
    rows = []
    for change in ordered[:MOST_FILES]:
        lines = counts.get(change.path)
        rows.append(
            FileRow(
                text(change.path),
                key(change.path),
                act(change),
                lines[0] if lines else None,
                lines[1] if lines else None,
                change.path in outside,
            )
        )
    left = sorted((kept or {}).items())[:MOST_FILES]
    named = tuple((text(path), KEPT[why]) for path, why in left)
    return Files(rows, len(changes), len(outside), named)


def act(change: Change) -> str:
    """What a change does to its path."""
    now, then = change.now, change.then
    if then is None:
        return "removed"
    if now is None:
        return "added"
    if stat.S_IFMT(now.mode) != stat.S_IFMT(then.mode):
        return "replaced"
    return "changed" if now.object_id != then.object_id else "permissions"


def contents(tree: WorkingTree, change: Change) -> tuple[bytes, bytes]:
    """What a file holds before and after a change. Raises GitFailed."""
    return plans.content(tree, change.now), plans.content(tree, change.then)


def file_diff(change: Change, before: bytes, after: bytes) -> FileDiff:
    """The diff of one file. It takes CPU time in proportion to its size."""
    shown = FileDiff(text(change.path), act(change), ())
    if note := _note(change, before, after):
        return FileDiff(shown.path, shown.act, (), note)
    lines = diff.between(_decoded(before), _decoded(after), whole=True)
    added, removed = diff.count(lines)
    return FileDiff(shown.path, shown.act, lines[:SHOWN_LINES], _cut(lines), added, removed)


def text(path: bytes) -> str:
    """A path, to be shown."""
    return path.decode("utf-8", "replace")


def key(path: bytes) -> str:
    """A path as a part of an address: a path may be any bytes."""
    return base64.urlsafe_b64encode(path).decode().rstrip("=")


def path_of(key: str) -> bytes | None:
    """The path that a key names; None for what is none."""
    try:
        return base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def _note(change: Change, before: bytes, after: bytes) -> str:
    if act(change) == "permissions" or _is_folder(change):
        return f"The permissions: {_mode(change.now)} → {_mode(change.then)}."
    if max(len(before), len(after)) > MOST_BYTES:
        return "This file is too large to be compared here."
    if b"\0" in before[:8000] or b"\0" in after[:8000]:
        return f"A binary file: {len(before):,} bytes → {len(after):,} bytes."
    return ""


def _is_folder(change: Change) -> bool:
    return any(each is not None and each.is_folder for each in (change.now, change.then))


def _mode(entry: Entry | None) -> str:
    if entry is None or entry.permissions is None:
        return "none"
    return f"{entry.permissions:04o}"


def _cut(lines: Sequence[DiffLine]) -> str:
    more = len(lines) - SHOWN_LINES
    return f"{more:,} more lines are not shown." if more > 0 else ""


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", "replace")
