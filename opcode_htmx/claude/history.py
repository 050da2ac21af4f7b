"""Where Claude keeps the history of a session, found by the session's id alone."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NoReturn

SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def project_id(folder: Path) -> str:
    """The name under which Claude files a project: what is no letter or digit becomes `-`."""
    return re.sub(r"[^A-Za-z0-9]", "-", str(folder))


def find(config_dir: Path, session_id: str) -> Path | None:
    """The history file of a session; None as long as Claude has written none."""
    if not SESSION_ID.fullmatch(session_id):
        return None
    return next((config_dir / "projects").glob(f"*/{session_id}.jsonl"), None)


def end_before(path: Path, start: int, moment: float) -> int:
    """Where the entries behind offset `start` end that were written up to `moment`.

    `moment` is in seconds since the epoch. What was said later was said by another process.
    """
    with path.open("rb") as file:
        end = file.seek(start)
        for line in file:
            if _said_after(line, moment):
                return end
            end += len(line)
    return end


def _said_after(line: bytes, moment: float) -> bool:
    if b'"timestamp"' not in line:
        return False
    try:
        entry = json.loads(line)
        said = entry["type"] in ("user", "assistant")
        return said and datetime.fromisoformat(entry["timestamp"]).timestamp() > moment
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return False


def values(file: BinaryIO) -> Iterator[bytes]:
    """The lines of an open history file as JSON values, one at a time.

    A line that is no JSON becomes `{"type": "raw", "line": …}`. What is appended after the first
    one was asked for is not read.
    """
    size = os.fstat(file.fileno()).st_size
    while size > 0 and (line := file.readline(size)):
        size -= len(line)
        if line := line.strip():
            yield _value(line)


def _value(line: bytes) -> bytes:
    try:
        _STRICT.decode(line.decode())
        return line
    except (ValueError, RecursionError):
        return json.dumps({"type": "raw", "line": line.decode("utf-8", "replace")}).encode()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse)
