"""Where Claude keeps the history of a session, found by the session's id alone."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NoReturn

from ..hub import Pace
from .stream import long_line

SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

LONGEST = 24_000_000
PIECE = 256 * 1024
"""Bytes: of a line as it is read, and of a longer one that is passed over."""

LATE_SECONDS = 2.0
"""How much later than its last word Claude may still write to its history file."""


def project_id(folder: Path) -> str:
    """The name under which Claude files a project: what is no letter or digit becomes `-`."""
    return re.sub(r"[^A-Za-z0-9]", "-", str(folder))


def find(config_dir: Path, session_id: str) -> Path | None:
    """The history file of a session; None as long as Claude has written none."""
    if not SESSION_ID.fullmatch(session_id):
        return None
    return next((config_dir / "projects").glob(f"*/{session_id}.jsonl"), None)


def size(path: Path | None) -> int:
    """How long a history file is; 0 as long as there is none."""
    try:
        return path.stat().st_size if path else 0
    except FileNotFoundError:
        return 0


def end_of_part(path: Path | None, start: int, fell_silent: float) -> int:
    """Where the part ends that a process wrote which began at `start` and then fell silent.

    What a terminal has added since is not that process's.
    """
    last = fell_silent + LATE_SECONDS
    try:
        if path is None or path.stat().st_mtime <= last:
            return size(path)
        return end_before(path, start, last)
    except OSError:
        return start


def end_before(path: Path, start: int, moment: float) -> int:
    """Where the entries behind offset `start` end that were written up to `moment`.

    `moment` is in seconds since the epoch. What was said later was said by another process.
    """
    with path.open("rb") as file:
        end, pace = file.seek(start), Pace()
        while line := file.readline(LONGEST):
            pace.step()
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


def values(file: BinaryIO, longest: int = LONGEST) -> Iterator[bytes]:
    """The lines of an open history file as JSON values, one at a time.

    A line that is no JSON becomes `{"type": "raw", "line": …}`, one of more than `longest` bytes
    what `long_line` says. What is appended after the first one was asked for is not read.
    """
    begin, end = 0, os.fstat(file.fileno()).st_size
    while begin < end and (line := file.readline(min(end - begin, longest + 1))):
        length = len(line)
        while line and not line.endswith(b"\n") and begin + length < end:  # the rest of a long one
            line = file.readline(min(end - begin - length, PIECE))
            length += len(line)
        text = length - line.endswith(b"\n")
        if text > longest:
            yield long_line(begin, text)
        elif line := line.strip():
            yield _value(line)
        begin += length


def _value(line: bytes) -> bytes:
    try:
        _STRICT.decode(line.decode())
        return line
    except (ValueError, RecursionError):
        return json.dumps({"type": "raw", "line": line.decode("utf-8", "replace")}).encode()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse)
