"""The mark of a warm start: a file in the folder of a run that began before there was a prompt.

Its time is when somebody was last seen writing one. It is removed when a run that got one ends.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from opcode_htmx.lib.files import atomic_files


class WarmMark:
    """The mark in one folder, which may be gone."""

    __slots__ = ("_path",)

    def __init__(self, folder: Path) -> None:
        self._path = folder / "warm"

    def set(self, history_changed_at: int | None) -> None:
        """Make the mark, with the modification time that the history file has now, in ns."""
        text = "" if history_changed_at is None else str(history_changed_at)
        atomic_files.write(self._path, text.encode("ascii"), durable=False)

    def exists(self) -> bool:
        return self._path.exists()

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()

    def touch(self) -> None:
        """Somebody writes a prompt."""
        with contextlib.suppress(OSError):
            os.utime(self._path)

    def touched_at(self) -> float:
        """When somebody was last seen writing, as a Unix time; now, if the mark is gone."""
        try:
            return self._path.stat().st_mtime
        except OSError:
            return time.time()

    def history_changed_at(self) -> int | None:
        """When the history file was last changed before the start, in ns; None if unknown."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
