"""Call back when a file in a folder has changed, by inotify or else by polling."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import gevent

from opcode_htmx.lib.files.inotify import OVERFLOW, Inotify

if sys.platform == "linux":
    import inotify_simple

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
READABLE = 1
"""libev's event mask for a descriptor that can be read from."""

Callback = Callable[[], None]


class InotifyWatcher:
    """Watches any number of folders with one inotify instance."""

    def __init__(self) -> None:
        """Raises OSError if this user has no inotify instance left."""
        self._inotify = Inotify()
        self._watches: dict[int, tuple[Path, Callback]] = {}
        # The hub calls this itself: a waiting greenlet would cost a switch and two system calls
        # for each line that Claude writes
        self._readable = gevent.get_hub().loop.io(self._inotify.fileno(), READABLE)
        self._readable.start(self._read_events)

    def watch(self, folder: Path, callback: Callback, *, removals: bool = False) -> None:
        """Call `callback` (quick, no I/O, no waiting) after each change to a file of `folder`.

        `removals`: also when one is removed. Raises OSError if this user has no inotify watch left.
        """
        masks = inotify_simple.flags
        flags = masks.MODIFY | masks.MOVED_TO | masks.CREATE
        if removals:
            flags |= masks.DELETE | masks.MOVED_FROM
        self._watches[self._inotify.add(folder, flags)] = folder, callback

    def unwatch(self, folder: Path) -> None:
        for descriptor, (path, _) in list(self._watches.items()):
            if path == folder:
                del self._watches[descriptor]
                self._inotify.remove(descriptor)

    def close(self) -> None:
        self._readable.stop()
        self._readable.close()
        self._watches.clear()
        self._inotify.close()

    def _read_events(self) -> None:
        changed = {watch for watch, _ in self._inotify.read()}
        if OVERFLOW in changed:  # the kernel has dropped events of unknown folders
            changed = set(self._watches)
        for descriptor in changed & self._watches.keys():
            self._watches[descriptor][1]()


class PollingWatcher:
    """The same without inotify: compares names, sizes and times every POLL_SECONDS."""

    def __init__(self) -> None:
        self._watches: dict[Path, tuple[_Signature, Callback]] = {}
        self._greenlet = gevent.spawn(self._poll)

    def watch(self, folder: Path, callback: Callback) -> None:
        """Call `callback` (quick, no I/O) after each change to a file of `folder`."""
        self._watches[folder] = _signature(folder), callback

    def unwatch(self, folder: Path) -> None:
        self._watches.pop(folder, None)

    def close(self) -> None:
        self._greenlet.kill()

    def _poll(self) -> None:
        while True:
            gevent.sleep(POLL_SECONDS)
            for folder, (before, callback) in list(self._watches.items()):
                now = _signature(folder)
                if now != before and folder in self._watches:
                    self._watches[folder] = now, callback
                    callback()


class FolderWatcher:
    """Uses inotify where it can, and polling for the folders beyond inotify's limits.

    Opens nothing before the first folder is watched.
    """

    def __init__(self) -> None:
        self._inotify: InotifyWatcher | None = None
        self._polling: PollingWatcher | None = None
        self._tried_inotify = sys.platform != "linux"

    def watch(
        self, folder: Path, callback: Callback, *, or_poll: bool = True, removals: bool = False
    ) -> None:
        """Call `callback` (quick, no I/O) after each change to a file of `folder`.

        Without `or_poll`, a folder beyond inotify's limits is not watched at all. `removals`: also
        when a file is removed, which polling reports in any case.
        """
        self._try_inotify()
        if self._inotify:
            try:
                self._inotify.watch(folder, callback, removals=removals)
                return
            except OSError as error:
                log.warning("inotify is used up, so %s is not watched by it: %s", folder, error)
        if not or_poll:
            return
        self._polling = self._polling or PollingWatcher()
        self._polling.watch(folder, callback)

    def unwatch(self, folder: Path) -> None:
        for watcher in self._watchers():
            watcher.unwatch(folder)

    def close(self) -> None:
        for watcher in self._watchers():
            watcher.close()

    def _try_inotify(self) -> None:
        if not self._tried_inotify:
            self._tried_inotify = True
            try:
                self._inotify = InotifyWatcher()
            except OSError as error:
                log.warning("polling for changes to files, because inotify is used up: %s", error)

    def _watchers(self) -> list[InotifyWatcher | PollingWatcher]:
        return [each for each in (self._inotify, self._polling) if each is not None]


_Signature = frozenset[tuple[str, int, int]]


def _signature(folder: Path) -> _Signature:
    """Names, sizes and times of the files in `folder`."""
    found = set()
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                found.add((path.name, stat.st_size, stat.st_mtime_ns))
    return frozenset(found)
