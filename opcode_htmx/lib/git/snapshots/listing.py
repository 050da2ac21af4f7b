"""List what a snapshot of a working tree holds, and what it leaves out and why."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import field
from enum import StrEnum

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.snapshots.tree import SnapshotFailed, WorkingTree

MOST_FILES = 300_000
MOST_FILE_BYTES = 50 * 1024 * 1024
"""Larger files are left out."""
MOST_BYTES = 4 * 1024**3
"""The limit of a folder that is in no git repository, where each byte is stored anew."""
_MOST_UNLISTED = 20_000
"""Entries of folders without a listed file that are looked through for empty ones."""


class LeftOut(StrEnum):
    """Why a path is not in a snapshot; a restore never touches it."""

    LARGE = "large"
    SPECIAL = "special"
    """A named pipe, a socket, a device."""
    UNREADABLE = "unreadable"
    REPOSITORY = "repository"
    """A submodule, or another repository in the tree."""


@dataclass(slots=True)
class Listing:
    """What is on the disk. Paths are bytes, relative to the top, as git writes them."""

    files: dict[bytes, int] = field(default_factory=dict)
    """Files and links, with their modes as `st_mode`."""
    folders: dict[bytes, int] = field(default_factory=dict)
    """The folders in which they are, with modes."""
    empty: dict[bytes, int] = field(default_factory=dict)
    """Folders with nothing in them, with modes."""
    left_out: dict[bytes, LeftOut] = field(default_factory=dict)
    size: int = 0
    """Bytes of all files."""

    usual: dict[str, int] = field(default_factory=dict)
    """The most frequent permissions of a plain `file`, a `program` and a `folder`."""
    modes: dict[bytes, int] = field(default_factory=dict)
    """The permissions of the files and folders that have others."""

    def count_modes(self) -> None:
        """Find out the usual permissions, and what has others; the modes of files are few."""
        files = Counter(self.files.values())
        plain = Counter({mode: n for mode, n in files.items() if _is_plain(mode)})
        program = Counter({mode: n for mode, n in files.items() if _is_program(mode)})
        folder = Counter(self.folders.values())
        self.usual = {
            "file": _most(plain, 0o644),
            "program": _most(program, 0o755),
            "folder": _most(folder, 0o755),
        }
        odd = {
            mode
            for mode in (*plain, *program)
            if stat.S_IMODE(mode) != self.usual["file" if _is_plain(mode) else "program"]
        }
        self.modes = (
            {path: stat.S_IMODE(mode) for path, mode in self.files.items() if mode in odd}
            if odd
            else {}
        )
        for path, mode in (*self.folders.items(), *self.empty.items()):
            if stat.S_IMODE(mode) != self.usual["folder"]:
                self.modes[path] = stat.S_IMODE(mode)


def make(tree: WorkingTree, also: Iterable[bytes] = ()) -> Listing:
    """What is in a tree: what git tracks or would add, and of what is in `also` what is there.

    Raises SnapshotFailed, GitFailed, OSError.
    """
    flags = ["-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    output = tree.theirs("ls-files", *flags) if tree.has_repository else _untracked(tree)
    top = os.fsencode(tree.top)
    listing, unlisted = run_cpu_in_thread(_look, top, output, list(also))
    if not tree.has_repository and listing.size > MOST_BYTES:
        raise SnapshotFailed("This folder holds too many bytes for a checkpoint.")
    kept = _not_ignored(tree, unlisted)
    empty = run_cpu_in_thread(_empty_folders, top, kept)
    for path in _not_ignored(tree, [path for path in empty if path not in kept]):
        kept.append(path)
    listing.empty.update((path, empty[path]) for path in kept if path in empty)
    run_cpu_in_thread(listing.count_modes)
    return listing


def is_safe(path: bytes) -> bool:
    """Whether a path leads to a place below the top and into no `.git`: indexes hold any text."""
    if b"/." not in path and b"//" not in path and path[:1] not in (b"", b".", b"/"):
        return path[-1:] != b"/" and b"\0" not in path  # nearly all of them
    parts = path.split(b"/")
    return bool(path) and not any(
        part in (b"", b".", b"..") or part.lower() == b".git" or b"\0" in part for part in parts
    )


def _untracked(tree: WorkingTree) -> bytes:
    """The files of a folder without a repository, without those that a .gitignore names."""
    # with no index of ours, which would count its files as tracked, ignored or not
    return tree.ours(
        "ls-files", "-z", "--others", "--exclude-standard", index=tree.place / "no-index"
    )


def _look(top: bytes, output: bytes, also: list[bytes]) -> tuple[Listing, list[bytes]]:
    """The listing, and the folders that have none of the listed files."""
    wanted: set[bytes] = set()
    listing, unlisted = Listing(), []
    for path in (*output.split(b"\0"), *also):
        if path.endswith(b"/"):
            path = path[:-1]
            if is_safe(path):
                listing.left_out[path] = LeftOut.REPOSITORY
        elif is_safe(path):
            wanted.add(path)
    if len(wanted) > MOST_FILES:
        raise SnapshotFailed(
            f"This folder has more than {MOST_FILES:,} files, too many for a checkpoint."
        )
    holding = _folders_of(wanted)
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        prefix = folder + b"/" if folder else b""
        try:
            entries = list(os.scandir(top + b"/" + folder))
        except FileNotFoundError:
            continue
        except PermissionError:
            if not folder:
                raise
            listing.left_out[folder] = LeftOut.UNREADABLE
            continue
        if not entries and folder in listing.folders:  # its files are gone
            listing.empty[folder] = listing.folders.pop(folder)
        for entry in entries:
            path = prefix + entry.name
            if entry.name.lower() == b".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                if path in holding:
                    waiting.append(path)
                    _note_folder(listing.folders, path, entry)
                elif path in wanted and os.path.lexists(entry.path + b"/.git"):
                    listing.left_out[path] = LeftOut.REPOSITORY
                elif path not in listing.left_out:
                    unlisted.append(path)
            elif path in wanted:
                _note_file(listing, path, entry)
    return listing, unlisted


def _folders_of(paths: Iterable[bytes]) -> set[bytes]:
    folders: set[bytes] = set()
    for path in paths:
        while path := path.rpartition(b"/")[0]:
            if path in folders:
                break
            folders.add(path)
    return folders


def _note_folder(folders: dict[bytes, int], path: bytes, entry: os.DirEntry[bytes]) -> None:
    try:
        folders[path] = entry.stat(follow_symlinks=False).st_mode
    except OSError:
        return


def _note_file(listing: Listing, path: bytes, entry: os.DirEntry[bytes]) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:  # it has gone meanwhile
        return
    if reason := _why_left_out(status, entry.path):
        listing.left_out[path] = reason
        return
    listing.files[path] = status.st_mode
    listing.size += status.st_size


def _why_left_out(status: os.stat_result, path: bytes) -> LeftOut | None:
    if stat.S_ISLNK(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        return LeftOut.SPECIAL
    if status.st_size > MOST_FILE_BYTES:
        return LeftOut.LARGE
    is_plain = status.st_uid == os.geteuid() and status.st_mode & 0o400
    if not is_plain and not os.access(path, os.R_OK):
        return LeftOut.UNREADABLE
    return None


def _empty_folders(top: bytes, folders: list[bytes]) -> dict[bytes, int]:
    """The empty ones among folders, and in them, with modes."""
    found: dict[bytes, int] = {}
    waiting, seen = list(folders), 0
    while waiting and seen < _MOST_UNLISTED:
        folder = waiting.pop()
        path = top + b"/" + folder
        try:
            entries = list(os.scandir(path))
            seen += len(entries) + 1
            if not entries:
                found[folder] = os.lstat(path).st_mode
            elif not any(entry.name.lower() == b".git" for entry in entries):
                inner = (each for each in entries if each.is_dir(follow_symlinks=False))
                waiting.extend(folder + b"/" + each.name for each in inner)
        except OSError:
            continue
    return found


def _not_ignored(tree: WorkingTree, paths: list[bytes]) -> list[bytes]:
    ignored = tree.ignored(paths)
    return [path for path in paths if path not in ignored]


def _is_plain(mode: int) -> bool:
    return stat.S_ISREG(mode) and not mode & 0o100


def _is_program(mode: int) -> bool:
    return stat.S_ISREG(mode) and bool(mode & 0o100)


def _most(counted: Counter[int], default: int) -> int:
    return stat.S_IMODE(counted.most_common(1)[0][0]) if counted else default
