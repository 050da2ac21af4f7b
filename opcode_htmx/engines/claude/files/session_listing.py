"""List the session files in the folders of Claude's projects; a folder again only when it changed.

To stat five thousand files takes longer than a whole response may. So on Linux the kernel reports
changes (inotify), and its events are read before each response: what was written before the request
is in the response. Where the kernel does not see every change (a network file system, a folder that
a virtual machine shares), and on other systems, every file is checked every time.

Knows names, sizes and times, and not the content of the files.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from opcode_htmx.engines.claude.files import links
from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.files.inotify import OVERFLOW, Inotify

if sys.platform == "linux":
    import inotify_simple

log = logging.getLogger(__name__)

LOCAL_FILE_SYSTEMS = frozenset(
    {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"}
)
"""File systems on which every write goes through this kernel, which then reports it."""

MOST = 4096
"""Folders whose listings are kept."""


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
    holds: bool


class Folders:
    """The listed folders, and the changes that the kernel has reported since."""

    def __init__(self) -> None:
        self._kept: dict[Path, _Kept] = {}
        self._watches = _watches()

    def look(self, folder: Path) -> Listing:
        """The session files that are in a folder now; raises OSError."""
        stat = folder.stat()
        identity = (stat.st_dev, stat.st_ino)
        self._hear()
        kept = self._kept.pop(folder, None)
        if kept is None or not kept.holds or kept.identity != identity:
            # watched first: a change during the listing causes another listing
            # A link is listed every time: what it leads to may have a watch of its own, and there
            # is only one for each folder.
            watches = None if folder.is_symlink() else self._watches
            watched = watches is not None and watches.watch(folder)
            files, linked = _files(folder)
            if kept is None or kept.listing.files != files:
                listing = Listing(folder, files)
            else:
                listing = kept.listing
            kept = _Kept(identity, listing, watched and not linked)
        self._kept[folder] = kept  # the most recently used one is last
        if len(self._kept) > MOST:
            self._forget(next(iter(self._kept)))
        return kept.listing

    def close(self) -> None:
        if self._watches is not None:
            self._watches.close()

    def _hear(self) -> None:
        """Process the reported changes."""
        if self._watches is None:
            return
        changed = self._watches.changed()
        for folder in self._kept if changed is None else changed & self._kept.keys():
            self._kept[folder].holds = False

    def _forget(self, folder: Path) -> None:
        del self._kept[folder]
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


def _files(folder: Path) -> tuple[tuple[File, ...], bool]:
    """The session files of a folder, and whether one may be written under another name.

    A file that is a link has the size and times of its target. Of an unreadable folder there are
    none.
    """
    found, linked = [], False
    with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            stem, dot, ending = entry.name.rpartition(".")
            if ending != "jsonl" or not SESSION_ID.fullmatch(stem):
                continue
            stat = links.file_status(entry.path)  # None if it was deleted in the meantime
            if stat is not None:
                found.append(_file(entry.name, stat))
                linked = linked or stat.st_nlink > 1 or entry.is_symlink()
    return tuple(sorted(found)), linked


def _file(name: str, stat: os.stat_result) -> File:
    return File(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


# Kernel events ----------------------------------------------------------------------------


class _Watches:
    """The inotify watches of folders."""

    def __init__(self) -> None:
        """Raises OSError when this user has no inotify instance left."""
        self._inotify = Inotify()
        self._folders: dict[int, Path] = {}
        self._watches: dict[Path, int] = {}
        self._local: dict[int, bool] = {}
        """By device, whether the kernel sees all changes on it."""

    def close(self) -> None:
        self._inotify.close()

    def watch(self, folder: Path) -> bool:
        """Watch a folder; whether each change in it will be reported from now on."""
        try:
            if not self._tells(folder):
                return False
            watch = self._inotify.add(folder, _changes())
        except OSError as error:
            log.info("cannot watch %s, listing it every time: %s", folder, error)
            return False
        if self._watches.get(folder, watch) != watch:
            self.unwatch(folder)
        self._folders[watch] = folder
        self._watches[folder] = watch
        return True

    def unwatch(self, folder: Path) -> None:
        watch = self._watches.pop(folder, None)
        if watch is not None:
            self._folders.pop(watch, None)
            self._inotify.remove(watch)

    def changed(self) -> set[Path] | None:
        """The folders that have changed since the last call; None if it may be any of them."""
        found: set[Path] = set()
        gone = inotify_simple.flags.IGNORED | inotify_simple.flags.MOVE_SELF
        overflow = False
        while events := self._inotify.read():
            for watch, mask in events:
                overflow = overflow or watch == OVERFLOW
                folder = self._folders.get(watch)
                if folder is None:
                    continue
                found.add(folder)
                if mask & gone:
                    self.unwatch(folder)
        return None if overflow else found

    def _tells(self, folder: Path) -> bool:
        device = folder.stat().st_dev
        if device not in self._local:
            self._local[device] = file_system(folder.resolve()) in LOCAL_FILE_SYSTEMS
        return self._local[device]


def _changes() -> int:
    flags = inotify_simple.flags
    in_files = flags.MODIFY | flags.ATTRIB | flags.CREATE | flags.DELETE
    moves = flags.MOVED_FROM | flags.MOVED_TO | flags.DELETE_SELF | flags.MOVE_SELF
    return int(in_files | moves | flags.ONLYDIR)


def _watches() -> _Watches | None:
    if sys.platform != "linux":
        return None
    try:
        return _Watches()
    except OSError as error:
        log.warning("no inotify instance left, listing sessions every time: %s", error)
        return None


def file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """The kind of file system that a resolved path lies on; empty if that is not known."""
    longest, kind = -1, ""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    for line in lines:
        mount, dash, rest = line.partition(" - ")
        fields = mount.split()
        if not dash or len(fields) < 5:
            continue
        point = Path(_unescaped(fields[4]))
        # A later mount at the same point hides the earlier one.
        if len(point.parts) >= longest and path.is_relative_to(point):
            longest, kind = len(point.parts), rest.split()[0]
    return kind


def _unescaped(text: str) -> str:
    """Blanks in the paths of mountinfo are written as `\\040`."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
