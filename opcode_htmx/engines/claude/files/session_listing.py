"""List the session files in the folders of Claude's projects; a folder again only when it changed.

To stat five thousand files takes longer than a whole response may. So on Linux the kernel reports
changes (inotify), and its events are read before each response: what was written before the request
is in the response. Only the files in the events are checked then. Where the kernel does not see
every change (a network file system, a folder that a virtual machine shares), and on other systems,
every file is checked every time.

A folder's watch does not report what is written to a file under a name in another folder. So a file
with several names (a backup by `cp -al`) has a watch of its own; one that has none left, and one
that is a symbolic link, is checked every time.

Knows names, sizes and times, and not the content of the files.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import NamedTuple

from opcode_htmx.engines.claude.files import links
from opcode_htmx.engines.claude.files.lists import watches as kernel
from opcode_htmx.engines.claude.files.lists.watches import ANY, Watches, is_session_file
from opcode_htmx.lib.concurrency.cooperative import run_in_thread, yielding
from opcode_htmx.lib.concurrency.keyed_lock import KeyedLock
from opcode_htmx.lib.dataclass import dataclass

MOST = 4096
"""Folders whose listings are kept."""

TOGETHER = 200
"""Folders that are listed in one turn of a thread."""

MOST_CHECKED = 200
"""Changed files of one folder; if there are more, the folder is listed again."""


class File(NamedTuple):
    """One session file as its folder lists it."""

    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    """Changes with the permissions, too: a file that could not be read is tried again."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Listing:
    """The session files of one folder. The same object as long as nothing changes."""

    folder: Path
    files: tuple[File, ...]


@dataclass(slots=True)
class _Kept:
    identity: tuple[int, int]
    """Device and inode, because another folder may take the place of this one."""
    listing: Listing
    files: dict[str, File]
    """Those of the listing, by name."""
    holds: bool
    """Whether each change will be reported, and none that may be of any file has been."""
    is_read: bool = False
    """False while the folder is read for the first time."""
    changed: set[str] = field(default_factory=set)
    """The names of files with a reported change."""
    unwatched: set[str] = field(default_factory=set)
    """The names of files that may change without a report."""


_Found = tuple[dict[str, File], set[str]]
"""The session files of a folder by name, and the names of those that are not watched."""


class _Reading(NamedTuple):
    """A folder that is being listed."""

    folder: Path
    watches: Watches | None
    """What watches it; None: nothing does."""
    kept: _Kept
    before: _Kept | None
    """What was kept of it."""


class Folders:
    """The listed folders, and the changes that the kernel has reported since.

    For greenlets of one thread. Folders are read in another thread, each by one of them at a time.
    """

    def __init__(self) -> None:
        self._kept: dict[Path, _Kept] = {}
        self._watches = kernel.watches()
        self._locks = KeyedLock()

    def look(self, folder: Path) -> Listing:
        """The session files that are in a folder now; raises OSError."""
        self._hear()
        return self._look(folder)

    def look_at_all(self, folders: Iterable[Path]) -> list[Listing]:
        """The same of many folders, of which some may have been deleted just now."""
        self._hear()
        wanted = list(folders)
        new = [folder for folder in wanted if folder not in self._kept]
        for at in range(0, len(new), TOGETHER):
            self._list_together(new[at : at + TOGETHER])
        found: list[Listing] = []
        for folder in yielding(wanted):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                found.append(self._look(folder))
        return found

    def _look(self, folder: Path) -> Listing:
        kept = self._current(folder, _identity(folder))
        if kept is None:
            with self._locks.of(str(folder)):
                self._hear()  # another greenlet may have listed it
                identity = _identity(folder)
                kept = self._current(folder, identity) or self._list(folder, identity)
        return kept.listing

    def close(self) -> None:
        if self._watches is not None:
            self._watches.close()

    def _current(self, folder: Path, identity: tuple[int, int]) -> _Kept | None:
        """The listing with the reported changes; None if the folder has to be listed."""
        kept = self._kept.get(folder)
        if kept is None or not kept.is_read or not kept.holds or kept.identity != identity:
            return None
        if names := kept.changed | kept.unwatched:
            if len(names) > MOST_CHECKED:
                return None
            self._check(kept, names)
        del self._kept[folder]
        self._kept[folder] = kept  # the most recently used one is last
        return kept

    def _check(self, kept: _Kept, names: Collection[str]) -> None:
        """Update these files of a listing."""
        kept.changed.clear()
        folder, files = kept.listing.folder, dict(kept.files)
        for name in names:
            file, is_watched = _file_in(folder, name, self._watches)
            if file is None:
                files.pop(name, None)
            else:
                files[name] = file
            if is_watched:
                kept.unwatched.discard(name)
            else:
                kept.unwatched.add(name)
        if files != kept.files:
            kept.files, kept.listing = files, _listing(folder, files)

    def _list(self, folder: Path, identity: tuple[int, int]) -> _Kept:
        reading = self._begin(folder, identity)
        try:
            found = run_in_thread(_files, folder, reading.watches)
        except BaseException:  # such as of a folder that is gone
            self._forget(folder)
            raise
        return self._finish(reading, found)

    def _list_together(self, folders: Iterable[Path]) -> None:
        """List folders that never were, in one turn of a thread: a turn costs as much as a folder.

        One that cannot be listed is left out.
        """
        with contextlib.ExitStack() as locks:
            begun: list[_Reading] = []
            unfinished: set[Path] = set()
            try:
                # sorted, so that no two greenlets wait for one another; each once: it would wait
                # for itself
                for folder in yielding(sorted(set(folders))):
                    locks.enter_context(self._locks.of(str(folder)))
                    with contextlib.suppress(OSError):
                        if folder not in self._kept:
                            begun.append(self._begin(folder, _identity(folder)))
                            unfinished.add(folder)
                for each, found in zip(begun, run_in_thread(_files_of_all, begun), strict=True):
                    if found is not None:
                        unfinished.discard(each.folder)
                        self._finish(each, found)
            finally:
                for folder in unfinished:
                    self._forget(folder)

    def _begin(self, folder: Path, identity: tuple[int, int]) -> _Reading:
        """Keep and watch a folder that is read next: a change meanwhile is noted for later."""
        before = self._kept.pop(folder, None)
        # A link is listed every time: what it leads to may have a watch of its own, and there is
        # only one for each folder.
        watches = None if folder.is_symlink() else self._watches
        is_watched = watches is not None and watches.watch(folder)
        listing = before.listing if before else Listing(folder, ())
        kept = self._kept[folder] = _Kept(identity, listing, {}, is_watched)
        return _Reading(folder, watches if is_watched else None, kept, before)

    def _finish(self, reading: _Reading, found: _Found) -> _Kept:
        kept, before = reading.kept, reading.before
        kept.files, kept.unwatched = found
        kept.is_read = True
        if before is None or before.files != kept.files:
            kept.listing = _listing(reading.folder, kept.files)
        if len(self._kept) > MOST:
            self._forget(next(iter(self._kept)))
        return kept

    def _hear(self) -> None:
        """Process the reported changes."""
        if self._watches is None:
            return
        changed = self._watches.changed()
        if changed is None:
            for kept in self._kept.values():
                kept.holds = False
            return
        for folder, names in changed.items():
            kept_one = self._kept.get(folder)
            if kept_one is not None:
                kept_one.holds = kept_one.holds and ANY not in names
                kept_one.changed |= names

    def _forget(self, folder: Path) -> None:
        self._kept.pop(folder, None)
        if self._watches is not None:
            self._watches.unwatch(folder)


@functools.cache
def watched() -> Folders:
    """The folders of this process, with one inotify instance for all of them.

    Made at the first use, never by an import: processes that were forked afterwards would share the
    instance, and each change would be reported to only one of them.
    """
    made = Folders()
    atexit.register(made.close)
    return made


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _listing(folder: Path, files: Mapping[str, File]) -> Listing:
    return Listing(folder, tuple(sorted(files.values())))


def _files_of_all(folders: Iterable[_Reading]) -> list[_Found | None]:
    """What `_files` returns for each; None for a folder that cannot be read, or is gone."""
    found: list[_Found | None] = []
    for each in folders:
        try:
            found.append(_files(each.folder, each.watches))
        except OSError:
            found.append(None)
    return found


def _files(folder: Path, watches: Watches | None) -> _Found:
    """The session files of a folder by name, and the names of those that `watches` does not watch.

    Of an unreadable folder there are none.
    """
    found, unwatched = dict[str, File](), set[str]()
    with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            if is_session_file(entry.name):
                file, is_watched = _file_in(folder, entry.name, watches)
                if file is not None:  # else it was deleted in the meantime
                    found[entry.name] = file
                if not is_watched:
                    unwatched.add(entry.name)
    return found, unwatched


def _file_in(folder: Path, name: str, watches: Watches | None) -> tuple[File | None, bool]:
    """A file as it is now, and whether each change of it will be reported.

    A file that is a link has the size and times of its target. Every change of one that is not
    there will be reported.
    """
    path = f"{folder}/{name}"
    try:
        status = os.lstat(path)
    except OSError:
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        is_link = status is not None and stat.S_ISLNK(status.st_mode)
        if watches is not None:
            watches.unwatch_file(folder, name)
        return _file(name, links.file_status(path)) if is_link else None, not is_link
    if watches is None:  # the folder is listed every time
        return _file(name, status), True
    if status.st_nlink < 2:
        watches.unwatch_file(folder, name)
        return _file(name, status), True
    is_watched = watches.watch_file(folder, name)
    return _file(name, links.file_status(path)), is_watched  # as it is since it was watched


def _file(name: str, status: os.stat_result | None) -> File | None:
    if status is None:
        return None
    return File(name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
