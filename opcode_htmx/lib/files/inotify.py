"""One inotify instance and its events: the only reader of inotify in the package. Linux only."""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from pathlib import Path

if sys.platform == "linux":
    import ctypes

    import inotify_simple

    # The C library of this process. inotify_simple would look for it by starting `ldconfig`.
    inotify_simple._libc = ctypes.CDLL(None, use_errno=True)

EVENTS_BYTES = 64 * 1024
OVERFLOW = -1
"""The watch descriptor in the kernel's event for a queue that was full."""

_EVENT = struct.Struct("iIII")

Event = tuple[int, int, str]
"""A watch descriptor, the mask of what happened as inotify(7) has it, and the name of the file in a
watched folder; empty for the watched file itself."""


class Inotify:
    """Reads events without blocking."""

    def __init__(self) -> None:
        """Raises OSError if this user has no inotify instance left."""
        self._inotify = inotify_simple.INotify(nonblocking=True)

    def fileno(self) -> int:
        return int(self._inotify.fileno())

    def add(self, path: Path | str, mask: int) -> int:
        """The watch descriptor. Raises OSError if this user has no inotify watch left."""
        return int(self._inotify.add_watch(path, mask))

    def remove(self, watch: int) -> None:
        with contextlib.suppress(OSError):  # the folder is gone, and its watch with it
            self._inotify.rm_watch(watch)

    def read(self) -> list[Event]:
        """The events that are there, up to a buffer full; none: there are no more for now."""
        data = self._data()
        events, offset = list[Event](), 0
        while offset < len(data):
            watch, mask, _, name_bytes = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size + name_bytes
            name = data[offset - name_bytes : offset].rstrip(b"\0")
            events.append((watch, mask, os.fsdecode(name)))
        return events

    def _data(self) -> bytes:
        try:
            return os.read(self.fileno(), EVENTS_BYTES)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self._inotify.close()
