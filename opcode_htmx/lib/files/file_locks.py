"""Locks on files, which hold between workers and end with whoever holds them, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import gevent

POLL_SECONDS = 0.01


def attempt(file: int, *, shared: bool = False) -> bool:
    """Lock an open file if that can be done at once."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for(file: int) -> None:
    """Lock an open file against all others, other greenlets included."""
    while not attempt(file):
        gevent.sleep(POLL_SECONDS)


def take(path: Path) -> int | None:
    """Lock `path`, which is made if need be; None if it is taken. Who closes it lets go of it.

    Raises OSError when the file cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if attempt(file):
        return file
    os.close(file)
    return None


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """While this lasts, nobody else holds `path`. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        wait_for(file)
        yield
    finally:
        os.close(file)
