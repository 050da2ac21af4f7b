"""Claude's lists of tasks as it keeps them beside its sessions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from opcode_htmx.engines.identifiers import SESSION_ID

MOST_BYTES = 1024 * 1024

_NUMBERED = re.compile(r"[0-9]{1,9}\.json")


def of_sessions(config_dir: Path, session_ids: Iterable[str]) -> dict[str, object]:
    """The tasks by session id; a session without any is left out."""
    todos, tasks = config_dir / "todos", config_dir / "tasks"
    if not (todos.is_dir() or tasks.is_dir()):
        return {}
    found = {}
    for session_id in session_ids:
        if SESSION_ID.fullmatch(session_id):
            value = _todos(todos, session_id) or _tasks(tasks / session_id)
            if value:
                found[session_id] = value
    return found


def _todos(folder: Path, session_id: str) -> object:
    """One file with a list, as older versions write it."""
    names = (f"{session_id}.json", f"{session_id}-agent-{session_id}.json")
    return next(filter(None, (_read(folder / name) for name in names)), None)


def _tasks(folder: Path) -> list[object]:
    """A folder with a file for each task, numbered."""
    try:
        paths = [path for path in folder.iterdir() if _NUMBERED.fullmatch(path.name)]
    except OSError:
        return []
    paths.sort(key=lambda path: int(path.stem))
    return [value for value in map(_read, paths) if value is not None]


def _read(path: Path) -> object:
    try:
        with path.open("rb") as file:
            return json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
