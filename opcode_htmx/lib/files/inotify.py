"""One inotify instance and its events: the only reader of inotify in the package. Linux only.

The three calls of the C library are made here: a library for them would load `subprocess` and
twenty other modules, in the process of the index a tenth of its memory.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
from enum import IntEnum
from pathlib import Path

if sys.platform == "linux":
    import ctypes

    _libc = ctypes.CDLL(None, use_errno=True)

EVENTS_BYTES = 64 * 1024
OVERFLOW = -1
"""The watch descriptor in the kernel's event for a queue that was full."""

_EVENT = struct.Struct("iIII")

Event = tuple[int, int, str]
"""A watch descriptor, the mask of what happened as inotify(7) has it, and the name of the file in a
watched folder; empty for the watched file itself."""


class Flags(IntEnum):
    """What is watched for and what has happened, as in inotify(7)."""

    MODIFY = 0x2
    ATTRIB = 0x4
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    IGNORED = 0x8000
    ONLYDIR = 0x1000000
    DONT_FOLLOW = 0x2000000


class Inotify:
    """Reads events without blocking."""

    def __init__(self) -> None:
        """Raises OSError if this user has no inotify instance left."""
        self._file = io.FileIO(_called(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)))

    def fileno(self) -> int:
        return self._file.fileno()

    def add(self, path: Path | str, mask: int) -> int:
        """The watch descriptor. Raises OSError if this user has no inotify watch left."""
        return _called(_libc.inotify_add_watch(self.fileno(), os.fsencode(path), mask))

    def remove(self, watch: int) -> None:
        with contextlib.suppress(OSError):  # the folder is gone, and its watch with it
            _called(_libc.inotify_rm_watch(self.fileno(), watch))

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
        self._file.close()


def _called(result: int) -> int:
    """What a function of the C library has returned. Raises OSError where it has failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
