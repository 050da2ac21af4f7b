"""The mark of a run that was alive when a backup was made of it, and was restored from that.

Its process, if there still is one, belongs to the folder which the backup was made of: a server
that finds the restored run may neither adopt nor end it.
"""

from __future__ import annotations

from pathlib import Path


class RestoredMark:
    """The mark in one folder."""

    __slots__ = ("_path",)

    def __init__(self, folder: Path) -> None:
        self._path = folder / "restored"

    def set(self) -> None:
        self._path.touch(mode=0o600)

    def exists(self) -> bool:
        return self._path.exists()
