"""The files of the log: lines of JSON, which several processes append and one at a time rotates.

    logs/current.ndjson                     what is being written
    logs/20261129T130206.123456Z.ndjson     what was, up to that time
    logs/lock                               held by the process that rotates

A line is written by one `write` to a file that was opened for appending, so lines of several
processes do not mix. A process whose file was renamed meanwhile sees it by the inode, and goes on
in the new one; nothing is lost and nobody waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.logs.formats import JsonFormatter

FOLDER = "logs"
"""In the state folder."""
CURRENT = "current.ndjson"
_LOCK = "lock"
_ROTATED = late_pattern(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\.ndjson", re.ASCII)
_PARTS = 10
"""A file is rotated when it has this part of the space for all."""
_LEAST = 100_000
"""Bytes of a file before it is rotated for its size."""


def parts(folder: Path) -> list[Path]:
    """The files, the newest first. Empty without a folder."""
    try:
        names = [each.name for each in os.scandir(folder)]
    except OSError:
        return []
    rotated = sorted((name for name in names if _ROTATED.fullmatch(name)), reverse=True)
    return [folder / name for name in ([CURRENT] if CURRENT in names else []) + rotated]


class LogFiles:
    """Appends to the current file, rotates it, and removes what is too old or too much.

    Uses nothing that waits for other greenlets: a line may be logged anywhere. Plain system calls,
    which take microseconds.
    """

    def __init__(self, folder: Path, total: int, keep: float) -> None:
        """`total` bytes of all files, and `keep` seconds of each, are kept; 0 is without limit."""
        self.folder = folder
        self._total = total
        self._keep = keep
        self._part = max(total // _PARTS, _LEAST) if total else 0
        self._path = folder / CURRENT
        self._file: int | None = None
        self._is_partial = False
        """Whether the last line was cut, by a full disk: the next one begins with a line's end."""

    def append(self, line: bytes) -> None:
        """Write a line, without its end. Raises OSError."""
        file, status = self._open()
        if self._is_due(status):
            self._rotate(status)
            file, _ = self._open()
        data = (b"\n" if self._is_partial else b"") + line + b"\n"
        self._is_partial = True
        self._is_partial = os.write(file, data) < len(data)

    def collect(self) -> None:
        """Remove the files that are too old, and the oldest of too many."""
        total, now = 0, time.time()
        for path in parts(self.folder):
            with contextlib.suppress(OSError):
                status = path.stat()
                total += status.st_size
                is_old = self._keep and now - status.st_mtime > self._keep
                if path.name != CURRENT and (is_old or (self._total and total > self._total)):
                    path.unlink()

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self) -> tuple[int, os.stat_result]:
        """The current file, open, and its status. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            status = self._path.stat()
            if self._file is not None and os.path.samestat(status, os.fstat(self._file)):
                return self._file, status
        self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._file = os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._file = os.open(self._path, flags, 0o600)
        return self._file, os.fstat(self._file)

    def _is_due(self, status: os.stat_result) -> bool:
        """Whether the file is large enough, or what it holds was begun on an earlier day."""
        if not status.st_size:
            return False
        if self._part and status.st_size >= self._part:
            return True
        # The last line of an earlier day is enough: the first one of a day rotates the file
        return int(status.st_mtime // 86400) != int(time.time() // 86400)

    def _rotate(self, seen: os.stat_result) -> None:
        """Rename the current file, unless another process does so; then go on in the old one."""
        lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(self._path.stat(), seen):
                self._path.rename(self._rotated_name())
                self.collect()
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            os.close(lock)

    def _rotated_name(self) -> Path:
        """A name that is not taken: clocks go back."""
        now = time.time()
        while True:
            moment = datetime.fromtimestamp(now, UTC)
            path = self.folder / f"{moment:%Y%m%dT%H%M%S.%f}Z.ndjson"
            if not path.exists():
                return path
            now += 0.000001


class LogFilesHandler(logging.Handler):
    """Writes records to the files. What cannot be written, on a full disk, is left out."""

    def __init__(self, files: LogFiles) -> None:
        super().__init__()
        self.files = files
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.files.append(self.format(record).encode("ascii"))
        except OSError:
            return  # stderr has it
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self.files.close()
        super().close()
