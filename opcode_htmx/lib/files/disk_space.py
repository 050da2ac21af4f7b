"""A disk that is full: how the system says so, and what a person is told.

Knows nothing of what is written, or by whom.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
SENTENCE = (
    "The server's disk is full, so this could not be kept. Nothing that was there is lost; make "
    "room on the server and try again."
)


class DiskFull(OSError):
    """What was to be written found no room; the text is for the person."""

    def __init__(self, sentence: str = SENTENCE) -> None:
        super().__init__(errno.ENOSPC, sentence)

    def __str__(self) -> str:
        return str(self.strerror)


def is_full(error: OSError) -> bool:
    """Whether it was for want of room, or of what this user may use of it, that it failed."""
    return error.errno in FULL


@contextlib.contextmanager
def raise_disk_full() -> Iterator[None]:
    """Raise DiskFull for what fails inside for want of room."""
    try:
        yield
    except OSError as error:
        if is_full(error) and not isinstance(error, DiskFull):
            raise DiskFull from error
        raise


def free_bytes(folder: Path) -> int:
    """What we may still write where `folder` is, or where it will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
