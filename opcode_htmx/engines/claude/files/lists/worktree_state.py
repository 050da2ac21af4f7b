"""The worktree that Claude works in by its own choice, as the end of a history file says it.

`claude --worktree` and the tools EnterWorktree and ExitWorktree write a line, and repeat it near
the end of the file; the last one counts.
"""

from __future__ import annotations

from pathlib import Path

import orjson

from opcode_htmx.lib.coerce import as_dict, as_str
from opcode_htmx.lib.dataclass import dataclass

TAIL = 64 * 1024
KEPT = 2000
_KIND = b'"worktree-state"'
_known: dict[Path, tuple[tuple[int, int], EnteredWorktree | None]] = {}


@dataclass(frozen=True, slots=True)
class EnteredWorktree:
    """A worktree that Claude has made or entered; names are as Claude has written them."""

    path: str
    branch: str
    original_folder: str


def of_file(history: Path) -> EnteredWorktree | None:
    """The worktree of a session; None if it is in none, or that cannot be read."""
    try:
        status = history.stat()
        version = (status.st_size, status.st_mtime_ns)
        known = _known.get(history)
        if known is not None and known[0] == version:
            return known[1]
        with history.open("rb") as file:
            file.seek(max(0, status.st_size - TAIL))
            found = _last(file.read(TAIL))
    except OSError:
        return None
    if len(_known) >= KEPT:
        _known.clear()
    _known[history] = version, found
    return found


def _last(tail: bytes) -> EnteredWorktree | None:
    for line in reversed(tail.split(b"\n")):
        if _KIND not in line:
            continue
        try:
            entry = orjson.loads(line)
        except ValueError:
            continue  # cut off, or being written
        if isinstance(entry, dict) and entry.get("type") == "worktree-state":
            return _parsed(as_dict(entry.get("worktreeSession")))
    return None


def _parsed(found: dict[str, object]) -> EnteredWorktree | None:
    path = as_str(found.get("worktreePath"))
    if not path.startswith("/") or "\0" in path:
        return None
    return EnteredWorktree(
        path, as_str(found.get("worktreeBranch")), as_str(found.get("originalCwd"))
    )
