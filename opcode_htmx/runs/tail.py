"""Follow growing files: read the complete lines that are new, and be told when there are more.

Knows bytes and paths only. A cursor is the byte offset behind a line.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import gevent
from gevent.socket import wait_read

if sys.platform == "linux":
    import inotify_simple

CHUNK = 256 * 1024
"""Bytes read at a time: large enough for a flood, small enough not to hold the hub."""

POLL_SECONDS = 0.05


class Line(NamedTuple):
    """One line without its newline, and the offset of the byte behind it in the file."""

    end: int
    data: bytes


class LineReader:
    """Reads a file line by line from an offset, as far as it has been written.

    A half line stays unread until its newline arrives or `last=True` says that none will. Reading
    a line that grows over many calls costs its length once, not at every call.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        """Read `path` from byte `offset`."""
        self._path = path
        self._read_to = offset
        self._end: int | None = None
        self._pending: list[bytes] = []
        self._pending_size = 0
        self.offset = offset
        """The end of the newest line that was given out."""

    def limit(self, end: int | None) -> None:
        """From now on, read no byte at or behind offset `end`."""
        self._end = end

    def read(self, last: bool = False) -> Iterator[Line]:
        """The lines that are complete now; with `last`, also what stands behind the last one."""
        for chunk in self._chunks():
            head, *complete = chunk.split(b"\n")
            if not complete:
                self._keep(head)
                continue
            first = b"".join((*self._pending, head))
            self._pending, self._pending_size = [], 0
            *lines, rest = first, *complete
            for data in lines:
                self.offset += len(data) + 1
                if data.strip():
                    yield Line(self.offset, data)
            self._keep(rest)
        if last and self._pending_size:
            data = b"".join(self._pending)
            self._pending, self._pending_size = [], 0
            self.offset += len(data)
            if data.strip():
                yield Line(self.offset, data)

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pending.append(piece)
            self._pending_size += len(piece)

    def _chunks(self) -> Iterator[bytes]:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self._read_to)
            while True:
                size = CHUNK if self._end is None else min(CHUNK, self._end - self._read_to)
                chunk = file.read(size) if size > 0 else b""
                if not chunk:
                    return
                self._read_to += len(chunk)
                yield chunk


class FolderWatcher:
    """Calls back when a file in a watched folder is written or replaced.

    One inotify descriptor serves all folders; without inotify, a short poll does.
    """

    def __init__(self) -> None:
        self._callbacks: dict[Path, Callable[[], None]] = {}
        self._inotify = inotify_simple.INotify(nonblocking=True) if _has_inotify() else None
        self._folders: dict[int, Path] = {}
        self._signatures: dict[Path, tuple[tuple[str, int, int], ...]] = {}
        self._greenlet = gevent.spawn(self._listen if self._inotify else self._poll)

    def watch(self, folder: Path, callback: Callable[[], None]) -> None:
        """Call `callback` (quick, no I/O) after each change to a file of `folder`."""
        self._callbacks[folder] = callback
        if self._inotify:
            flags = inotify_simple.flags.MODIFY | inotify_simple.flags.MOVED_TO
            self._folders[self._inotify.add_watch(folder, flags)] = folder
        else:
            self._signatures[folder] = _signature(folder)

    def unwatch(self, folder: Path) -> None:
        self._callbacks.pop(folder, None)
        self._signatures.pop(folder, None)
        for descriptor, path in list(self._folders.items()):
            if path == folder and self._inotify:
                del self._folders[descriptor]
                with contextlib.suppress(OSError):  # the folder is gone, and its watch with it
                    self._inotify.rm_watch(descriptor)

    def close(self) -> None:
        self._greenlet.kill()
        if self._inotify:
            self._inotify.close()

    def _listen(self) -> None:
        assert self._inotify is not None
        while True:
            wait_read(self._inotify.fileno())
            changed = {event.wd for event in self._inotify.read(timeout=0)}
            for descriptor in changed:
                folder = self._folders.get(descriptor)
                callback = self._callbacks.get(folder) if folder else None
                if callback:
                    callback()

    def _poll(self) -> None:
        while True:
            gevent.sleep(POLL_SECONDS)
            for folder, before in list(self._signatures.items()):
                now = _signature(folder)
                if now != before and folder in self._callbacks:
                    self._signatures[folder] = now
                    self._callbacks[folder]()


def _has_inotify() -> bool:
    return sys.platform == "linux"


def _signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    try:
        files = sorted(folder.iterdir())
        stats = [(path.name, path.stat()) for path in files]
    except FileNotFoundError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
