"""The last whole lines that the processes of an agent's run have written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path


def last_lines(files: Sequence[Path], most: int) -> bytes:
    """The end of files that follow one another, from the beginning of a line: `most` bytes."""
    found = b""
    for path in reversed(files):
        lines, is_whole = _tail(path, most - len(found))
        found = lines + found
        if not is_whole:
            break
    return found


def _tail(path: Path, most: int) -> tuple[bytes, bool]:
    """The last lines of a file, without one whose end is not written yet; whether those are all."""
    try:
        file = path.open("rb")
    except OSError:
        return b"", True
    with file:
        size = file.seek(0, io.SEEK_END)
        start = max(0, size - most)
        if start == 0:
            file.seek(0)
        else:
            file.seek(start - 1)
            file.readline()
        lines, newline, _ = file.read(most).rpartition(b"\n")
    return lines + newline, start == 0
