"""Call back when a file in a folder has changed, by inotify or else by polling."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import gevent
from gevent import monkey
from gevent.event import Event

from opcode_htmx.lib.files.inotify import OVERFLOW, Flags, Inotify

if sys.platform == "linux":
    _epoll = monkey.get_original("select", "epoll")

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
PATIENT_SECONDS = 0.2
"""Changes of so long are reported together while none is urgent: each wake-up of an idle process
costs as much as what is done about a line."""
READABLE = 1
"""libev's event mask for a descriptor that can be read from."""

Callback = Callable[[], None]
NamesCallback = Callable[[Set[str]], None]
"""Gets the names of the files that have changed, or UNKNOWN."""
UNKNOWN: Set[str] = frozenset()
MISSING_SECONDS = 1.0
"""How often to look for a folder that is gone."""
LOOK_SECONDS = 60.0
"""How often to look whether it still is the same folder: one that is removed while a process has it
open sends no event."""


class InotifyWatcher:
    """Watches any number of folders with one inotify instance."""

    def __init__(self, is_urgent: Callable[[], bool] | None = None) -> None:
        """`is_urgent` returns whether somebody waits for a change; without it, all are urgent.

        A change after a pause is reported at once in any case. Raises OSError if this user has no
        inotify instance left.
        """
        self._is_urgent = is_urgent
        self._inotify = Inotify()
        self._watches: dict[int, tuple[Path, NamesCallback, int]] = {}
        """Each with its flags."""
        # Closed while changes gather. libev's own way to ignore a descriptor wakes it once more
        self._gate = None if is_urgent is None else _epoll()
        watched = self._inotify.fileno()
        if self._gate is not None:
            self._gate.register(watched, READABLE)
            watched = self._gate.fileno()
        # The hub calls this itself: a waiting greenlet would cost a switch and two system calls
        # for each line that Claude writes
        loop: Any = gevent.get_hub().loop
        self._readable = loop.io(watched, READABLE)
        self._readable.start(self._read_events)
        self._gathering = loop.timer(PATIENT_SECONDS, PATIENT_SECONDS, ref=False)

    def watch_names(self, folder: Path, callback: NamesCallback, *, removals: bool = False) -> None:
        """Call `callback` (quick, no I/O, no waiting) after each change to a file of `folder`.

        Also when the folder is moved or removed, without a name; `removals`: when a file is. Raises
        OSError if this user has no inotify watch left.
        """
        flags = Flags.MODIFY | Flags.MOVED_TO | Flags.CREATE | Flags.MOVE_SELF
        if removals:
            flags |= Flags.DELETE | Flags.MOVED_FROM
        self._watches[self._inotify.add(folder, flags)] = folder, callback, flags

    def renew(self, folder: Path) -> bool:
        """Watch what has the place of a watched folder now; whether that is another folder.

        Raises OSError where there is none, or no inotify watch left.
        """
        watches = self._watches_of(folder)
        for _, callback, flags in watches.values():
            descriptor = self._inotify.add(folder, flags)  # that of before, if it is the same one
            if descriptor not in watches:
                self.unwatch(folder)
                self._watches[descriptor] = folder, callback, flags
                return True
        return False

    def unwatch(self, folder: Path) -> None:
        for descriptor in self._watches_of(folder):
            del self._watches[descriptor]
            self._inotify.remove(descriptor)

    def _watches_of(self, folder: Path) -> dict[int, tuple[Path, NamesCallback, int]]:
        return {key: each for key, each in self._watches.items() if each[0] == folder}

    def hurry(self) -> None:
        """Report at once what has changed: somebody waits for it from now on."""
        if self._gathering.active and self._gate is not None:
            self._gathering.stop()
            self._gate.register(self._inotify.fileno(), READABLE)

    def close(self) -> None:
        for watcher in (self._readable, self._gathering):
            watcher.stop()
            watcher.close()
        if self._gate is not None:
            self._gate.close()
        self._watches.clear()
        self._inotify.close()

    def _read_events(self) -> None:
        self._report()
        if self._is_urgent is not None and self._gate is not None and not self._is_urgent():
            self._gate.unregister(self._inotify.fileno())
            self._gathering.again(self._report_gathered)

    def _report_gathered(self) -> None:
        if not self._report():
            self.hurry()  # a pause has come: what is next is reported at once

    def _report(self) -> bool:
        """Whether anything has changed."""
        changed: dict[int, Set[str]] = {}
        for descriptor, _, name in self._inotify.read():
            changed[descriptor] = {name, *changed.get(descriptor, ())}
        if OVERFLOW in changed:  # the kernel has dropped events of unknown folders
            changed = dict.fromkeys(self._watches, UNKNOWN)
        for descriptor, names in changed.items():
            if found := self._watches.get(descriptor):
                found[1](names)
        return bool(changed)


class PollingWatcher:
    """The same without inotify: compares names, sizes and times every POLL_SECONDS."""

    def __init__(self) -> None:
        self._watches: dict[Path, tuple[_Signature, NamesCallback]] = {}
        self._greenlet = gevent.spawn(self._poll)

    def watch_names(self, folder: Path, callback: NamesCallback) -> None:
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
                    callback({name for name, *_ in now ^ before})


class FolderWatcher:
    """Uses inotify where it can, and polling for the folders beyond inotify's limits.

    Opens nothing before the first folder is watched.
    """

    def __init__(self, is_urgent: Callable[[], bool] | None = None) -> None:
        """`is_urgent` returns whether somebody waits for a change just now; None: all are urgent.

        What is not urgent is reported within PATIENT_SECONDS.
        """
        self._is_urgent = is_urgent
        self._inotify: InotifyWatcher | None = None
        self._polling: PollingWatcher | None = None
        self._tried_inotify = sys.platform != "linux"

    def watch(
        self, folder: Path, callback: Callback, *, or_poll: bool = True, removals: bool = False
    ) -> bool:
        """Call `callback` (quick, no I/O) after each change to a file of `folder`.

        Without `or_poll`, a folder beyond inotify's limits is not watched at all: then the result
        is False. `removals`: also when a file is removed, which polling reports in any case.
        """
        return self.watch_names(
            folder, lambda names: callback(), or_poll=or_poll, removals=removals
        )

    def watch_names(
        self,
        folder: Path,
        callback: NamesCallback,
        *,
        or_poll: bool = True,
        removals: bool = False,
    ) -> bool:
        """The same for a callback that gets the names of the files."""
        self._try_inotify()
        if self._inotify:
            try:
                self._inotify.watch_names(folder, callback, removals=removals)
                return True
            except OSError as error:
                log.warning("inotify is used up, so %s is not watched by it: %s", folder, error)
        if not or_poll:
            return False
        self._polling = self._polling or PollingWatcher()
        self._polling.watch_names(folder, callback)
        return True

    def renew(self, folder: Path) -> bool:
        """Watch what has the place of a watched folder now; whether that is another folder.

        Changes until then may have been missed. Raises OSError where there is none.
        """
        return self._inotify is not None and self._inotify.renew(folder)  # polling goes by paths

    def unwatch(self, folder: Path) -> None:
        for watcher in self._watchers():
            watcher.unwatch(folder)

    def hurry(self) -> None:
        """Somebody waits for a change from now on."""
        if self._inotify:
            self._inotify.hurry()

    def close(self) -> None:
        for watcher in self._watchers():
            watcher.close()

    def _try_inotify(self) -> None:
        if not self._tried_inotify:
            self._tried_inotify = True
            try:
                self._inotify = InotifyWatcher(self._is_urgent)
            except OSError as error:
                log.warning("polling for changes to files, because inotify is used up: %s", error)

    def _watchers(self) -> list[InotifyWatcher | PollingWatcher]:
        return [each for each in (self._inotify, self._polling) if each is not None]


class FolderListener:
    """Calls a function, which may block, in a greenlet of its own after a folder has changed.

    One call is for all changes until then; one during a call is followed by another call. A folder
    in the place of one that is gone is listened to as well.
    """

    def __init__(
        self,
        folder: Path,
        changed: Callable[[], None],
        failure: str,
        *,
        name: str | None = None,
        removals: bool = False,
        pause: float = 0.0,
        at_least_every: float | None = None,
    ) -> None:
        """`failure` is logged with an exception of `changed`, which is called again all the same.

        `name`: only for changes of this file. `removals`: also when a file is removed. `pause`,
        `at_least_every`: seconds between two calls at least, and at most without a change.
        """
        self._folder = folder
        self._changed = changed
        self._failure = failure
        self._name = name
        self._removals = removals
        self._pause = pause
        self._at_least_every = at_least_every
        self._is_due = Event()
        self._is_missing = False
        self._watcher: FolderWatcher | None = None
        self._greenlet: gevent.Greenlet[[FolderWatcher], None] | None = None

    def start(self) -> None:
        """Listen from now on; the folder should exist."""
        self._watcher = watcher = FolderWatcher()
        watcher.watch_names(self._folder, self._note, removals=self._removals)
        self._greenlet = gevent.spawn(self._listen, watcher)

    def stop(self) -> None:
        """Call no more; a call that blocks is broken off."""
        if self._greenlet and self._watcher:
            self._greenlet.kill()
            self._watcher.close()

    def _note(self, names: Set[str]) -> None:
        # without a name, it is the folder itself
        if self._name is None or names == UNKNOWN or not names.isdisjoint((self._name, "")):
            self._is_due.set()

    def _listen(self, watcher: FolderWatcher) -> None:
        every = min(self._at_least_every or LOOK_SECONDS, LOOK_SECONDS)
        while True:
            self._is_due.wait(MISSING_SECONDS if self._is_missing else every)
            is_due = self._is_due.is_set()  # also where the time was over before it was woken
            self._is_due.clear()
            try:
                is_other = self._is_another(watcher)
                if is_due or is_other or self._at_least_every is not None:
                    self._changed()  # afterwards: nothing is missed
            except Exception:
                log.exception(self._failure)
            gevent.sleep(self._pause)

    def _is_another(self, watcher: FolderWatcher) -> bool:
        """Whether the folder is gone, or another one has its place, which is listened to then."""
        try:
            is_other = watcher.renew(self._folder)
        except OSError:
            is_other = self._is_missing = True
        else:
            self._is_missing = False
        return is_other


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
