"""Recognise a full disk, and measure the space that is left."""

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
    """A write failed because the disk is full; the text is a sentence for the user."""

    def __init__(self, sentence: str = SENTENCE) -> None:
        super().__init__(errno.ENOSPC, sentence)

    def __str__(self) -> str:
        return str(self.strerror)


def is_full(error: OSError) -> bool:
    """Whether an operation failed because the disk, or the user's quota, is full."""
    return error.errno in FULL


@contextlib.contextmanager
def raise_disk_full() -> Iterator[None]:
    """Turn an OSError of a full disk into DiskFull."""
    try:
        yield
    except OSError as error:
        if is_full(error) and not isinstance(error, DiskFull):
            raise DiskFull from error
        raise


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write where `folder` is, or will be. Raises OSError."""
    found = os.statvfs(existing(folder))
    return found.f_bavail * found.f_frsize


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
