"""A lock file held by every user of the demo. Knows nothing of what the lock protects."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_RETRY = 0.02


class Lease:
    """A lock held on a file until release() or the end of the process.

    Shared leases may be held by many at once, an exclusive one by one only. A child process
    does not inherit it.
    """

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def release(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __del__(self) -> None:
        self.release()


def take(path: Path, *, shared: bool, timeout: float = 0.0) -> Lease | None:
    """Take the lock, trying for `timeout` seconds. None if others keep it. Raises OSError."""
    # polled, because a blocking flock would block a gevent server as a whole
    lease_fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(lease_fd, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(lease_fd)
                return None
            time.sleep(_RETRY)
        else:
            return Lease(lease_fd)


@contextlib.contextmanager
def exclusive(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock alone within the block. Raises TimeoutError, OSError."""
    lease = take(path, shared=False, timeout=timeout)
    if lease is None:
        raise TimeoutError(f"{path} is locked by another process.")
    try:
        yield
    finally:
        lease.release()
