"""Locks on files, which hold between workers and end with their holder, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import gevent

POLL_SECONDS = 0.01


def attempt(file: int, *, shared: bool = False) -> bool:
    """Lock an open file if that is possible without waiting; whether it was."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for(file: int) -> None:
    """Wait for an exclusive lock on an open file; it excludes other greenlets, too."""
    while not attempt(file):
        gevent.sleep(POLL_SECONDS)


def take(path: Path) -> int | None:
    """Open and lock `path`, made if it is missing; None if it is locked already.

    Closing the descriptor releases the lock. Raises OSError if the file cannot be opened.
    """
    return _locked(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def take_existing(path: Path) -> int | None:
    """The same for a file that is there; None, too, where it cannot be opened."""
    file = _existing(path)
    return None if file is None else _locked(file)


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, made if it is missing. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        wait_for(file)
        yield
    finally:
        os.close(file)


def is_held(path: Path) -> bool:
    """Whether somebody has an exclusive lock on a file now; no, if it cannot be opened."""
    file = _existing(path)
    if file is None:
        return False
    try:
        return not attempt(file, shared=True)
    finally:
        os.close(file)


def _existing(path: Path) -> int | None:
    """Open a file that is there; None where it cannot be opened."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None


def _locked(file: int) -> int | None:
    """Lock an open file exclusively; closed, and None, if it is locked already."""
    if attempt(file):
        return file
    os.close(file)
    return None


class Duty:
    """Work that one worker does for all: the one that holds the lock on a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> bool:
        """Whether this worker has the duty; it gets it where no other one has. Raises OSError."""
        if self._file is None:
            self._file = take(self._path)
        return self._file is not None

    def leave(self) -> None:
        """Leave the duty to another worker."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
