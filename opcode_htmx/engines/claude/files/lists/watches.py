"""The kernel's reports of changes in the folders of session files (inotify), by folder and name.

Knows names only; session_listing.py reads the files.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.files.inotify import OVERFLOW, Flags, Inotify

log = logging.getLogger(__name__)

LOCAL_FILE_SYSTEMS = frozenset(
    {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"}
)
"""File systems on which every write goes through this kernel, which then reports it."""

ANY = ""
"""The name of a file in a change that may be of any file of a folder."""


def is_session_file(name: str) -> bool:
    """Whether a file in a folder of Claude's may be a session, by its name."""
    stem, _, ending = name.rpartition(".")
    return ending == "jsonl" and SESSION_ID.fullmatch(stem) is not None


class Watches:
    """The inotify watches of folders, and of files with several names.

    Watches of files may be added in another thread than the one that reads the events.
    """

    def __init__(self) -> None:
        """Raises OSError when this user has no inotify instance left."""
        self._inotify = Inotify()
        self._folders: dict[int, Path] = {}
        self._watches: dict[Path, int] = {}
        self._files: dict[int, set[tuple[Path, str]]] = {}
        """The watched names of a file, by its watch: one for all of its names."""
        self._file_watches: dict[tuple[Path, str], int] = {}
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
        """No more of a folder, nor of its files."""
        watch = self._watches.pop(folder, None)
        if watch is not None:
            self._folders.pop(watch, None)
            self._inotify.remove(watch)
        for each in [key for key in list(self._file_watches) if key[0] == folder]:
            self.unwatch_file(*each)

    def watch_file(self, folder: Path, name: str) -> bool:
        """Watch a file under all its names; whether each change will be reported from now on."""
        try:
            watch = self._inotify.add(f"{folder}/{name}", _changes_of_file())
        except OSError as error:
            log.info("cannot watch %s/%s, checking it every time: %s", folder, name, error)
            self.unwatch_file(folder, name)
            return False
        key = folder, name
        if self._file_watches.get(key, watch) != watch:
            self.unwatch_file(folder, name)
        self._files.setdefault(watch, set()).add(key)
        self._file_watches[key] = watch
        return True

    def unwatch_file(self, folder: Path, name: str) -> None:
        """No more of the file that had this name, unless it is watched under another one."""
        if not self._file_watches:  # usually there is none, and each file of a folder comes here
            return
        watch = self._file_watches.pop((folder, name), None)
        if watch is None:
            return
        names = self._files.get(watch, set())
        names.discard((folder, name))
        if not names:
            self._files.pop(watch, None)
            self._inotify.remove(watch)

    def changed(self) -> dict[Path, set[str]] | None:
        """The names that have changed since the last call, by folder; None if it may be any.

        ANY stands for every file of a folder.
        """
        found: dict[Path, set[str]] = {}
        gone = Flags.IGNORED | Flags.MOVE_SELF
        overflow = False
        while events := self._inotify.read():
            for watch, mask, name in events:
                overflow = overflow or watch == OVERFLOW
                for folder, own in tuple(self._files.get(watch, ())):
                    found.setdefault(folder, set()).add(own)
                    if mask & Flags.IGNORED:
                        self.unwatch_file(folder, own)
                in_folder = self._folders.get(watch)
                if in_folder is None or (name and not is_session_file(name)):
                    continue
                found.setdefault(in_folder, set()).add(name)
                if mask & gone:
                    self.unwatch(in_folder)
        return None if overflow else found

    def _tells(self, folder: Path) -> bool:
        device = folder.stat().st_dev
        if device not in self._local:
            self._local[device] = file_system(folder.resolve()) in LOCAL_FILE_SYSTEMS
        return self._local[device]


def _changes() -> int:
    in_files = Flags.MODIFY | Flags.ATTRIB | Flags.CREATE | Flags.DELETE
    moves = Flags.MOVED_FROM | Flags.MOVED_TO | Flags.DELETE_SELF | Flags.MOVE_SELF
    return int(in_files | moves | Flags.ONLYDIR)


def _changes_of_file() -> int:
    """Also its deletion under one of its names, which changes their number."""
    return int(Flags.MODIFY | Flags.ATTRIB | Flags.DONT_FOLLOW)


def watches() -> Watches | None:
    """The watches of a process; None where there are none."""
    if sys.platform != "linux":
        return None
    try:
        return Watches()
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
