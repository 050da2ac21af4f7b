"""Whether a server works in the state folder: each worker holds a lock, which a restore must have.

The lock ends with its holder, however that dies.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.state_dir import StateError

FILE = "in_use.lock"

log = logging.getLogger(__name__)


class StateUse:
    """This worker's use of the state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: int | None = None

    def check(self) -> None:
        """Raises StateError while a backup is being restored into the folder."""
        file = self._open()
        try:
            if not file_locks.attempt(file, shared=True):
                raise StateError(
                    f"A backup is being restored into {self._path.parent}; start again when that "
                    "is done."
                )
        finally:
            os.close(file)

    def begin(self) -> None:
        """Use the folder until `end`."""
        if self._file is None:
            self._file = self._open()
            if not file_locks.attempt(self._file, shared=True):
                log.error("a backup is being restored into %s meanwhile", self._path.parent)

    def end(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


_BEGUN, _WHOLE = "restoring", "restored"


def place_to_restore(folder: Path) -> Path:
    """A new name beside the state folder, for what is being restored."""
    return _beside(folder, _BEGUN)


def place_when_restored(folder: Path) -> Path:
    """The same for what is whole, and is to take the place of the state folder."""
    return _beside(folder, _WHOLE)


def left_by_restores(folder: Path) -> list[Path]:
    """What restores that were killed have left beside the state folder, the newest last."""
    return _left(folder, _BEGUN, _WHOLE)


def check_restored(folder: Path) -> None:
    """Raises StateError where a restore was killed when neither folder was in its place."""
    if not folder.exists() and (left := _left(folder, _WHOLE)):
        raise StateError(
            f"A restore was ended before its last step, so there is no {folder}. What it has "
            f"restored is {left[-1]}: give that the name {folder}, and start again."
        )


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f".{folder.name}-{kind}-{secrets.token_hex(8)}")


def _left(folder: Path, *kinds: str) -> list[Path]:
    name = glob.escape(folder.name)
    found = (path for each in kinds for path in folder.parent.glob(f".{name}-{each}-*"))
    return sorted(found, key=lambda path: path.lstat().st_ctime)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep servers away from a folder that exists. Raises StateError where one works in it."""
    file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not file_locks.attempt(file):
            raise StateError(
                f"A server works in the state folder {folder}: stop it first, or name another "
                "folder in OPCODE_STATE_DIR."
            )
        yield
    finally:
        os.close(file)
