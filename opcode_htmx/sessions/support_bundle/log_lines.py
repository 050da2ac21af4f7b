"""The last lines of the log, for a support bundle: without what exceptions quote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.logs import log_files

LINES = 500
MOST_BYTES = 1024 * 1024
"""Of each file, from its end."""
_KEPT = ("time", "level", "logger", "message", "request", "run", "pid")


def newest(state_dir: Path, number: int = LINES) -> list[str]:
    """The last lines of the files of the log, the oldest first; none where it is kept elsewhere."""
    lines = list[str]()
    for path in log_files.parts(state_dir / log_files.FOLDER):
        lines = [*_last_lines(path), *lines][-number:]
        if len(lines) == number:
            break
    return lines


def _last_lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST_BYTES))
            data = file.read(MOST_BYTES)
    except OSError:
        return
    lines = data.split(b"\n")
    for line in lines[1:] if size > MOST_BYTES else lines:
        if shown := _shown(line):
            yield shown


def _shown(line: bytes) -> str:
    """A line of JSON with its known members; empty for one that is no such line."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    kept = {name: found[name] for name in _KEPT if name in found}
    if isinstance(error := found.get("error"), str):
        kept["error"] = "\n".join(map(_without_text, error.split("\n")))
    return json.dumps(kept)


def _without_text(line: str) -> str:
    """A line of a traceback; of an exception only its name, for its text may quote anything."""
    if line.startswith(("  File ", "Traceback ", "    File ")):
        return line
    if line.startswith(" "):
        return ""  # source code, and the continuation of a text
    return line.partition(":")[0] if _is_name(line.partition(":")[0]) else ""


def _is_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))
