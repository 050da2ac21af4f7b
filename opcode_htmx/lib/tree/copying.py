"""Copy what lies in an open folder into another one: files, folders and links, with their modes.

For moving between disks, where nothing can be renamed. Links are copied, not followed.
"""

from __future__ import annotations

import os
import stat

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.tree.names import FileRefused
from opcode_htmx.lib.tree.tree import FileTooLarge

MOST_ENTRIES = 20_000
MOST_BYTES = 500_000_000
MOST_LEVELS = 200
"""Folders within one another: each is open while those in it are copied."""
_PIECE = 1_000_000


@dataclass(slots=True)
class _Left:
    """What may still be copied."""

    entries: int = MOST_ENTRIES
    size: int = MOST_BYTES

    def take(self, size: int) -> None:
        self.entries -= 1
        self.size -= size
        if self.entries < 0 or self.size < 0:
            raise FileTooLarge(
                f"This is too large to be kept: more than {MOST_ENTRIES:,} files, or "
                f"{MOST_BYTES // 1_000_000} MB."
            )


def copy(source: int, name: str, folder: int, target: str) -> None:
    """Copy an entry of an open folder into another; nothing may be there.

    Blocks: to be called in a thread. Raises FileTooLarge, FileRefused, DiskFull, OSError, and may
    leave a part of the copy.
    """
    with raise_disk_full():
        _copy(source, name, folder, target, _Left(), MOST_LEVELS)


def _copy(source: int, name: str, folder: int, target: str, left: _Left, levels: int) -> None:
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    left.take(status.st_size if stat.S_ISREG(status.st_mode) else 0)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), target, dir_fd=folder)
    elif stat.S_ISDIR(status.st_mode):
        if levels == 0:
            raise FileTooLarge("Its folders are nested too deep to be kept.")
        _copy_folder(source, name, folder, target, status, left, levels)
    elif stat.S_ISREG(status.st_mode):
        _copy_file(source, name, folder, target, left)
    else:
        raise FileRefused("It holds a device, a pipe or a socket, which cannot be kept.")


def _copy_folder(
    source: int,
    name: str,
    folder: int,
    target: str,
    status: os.stat_result,
    left: _Left,
    levels: int,
) -> None:
    os.mkdir(target, 0o700, dir_fd=folder)
    inner = os.open(name, confined.LIST, dir_fd=source)
    try:
        made = os.open(target, confined.LIST, dir_fd=folder)
        try:
            with os.scandir(inner) as entries:
                for entry in entries:
                    _copy(inner, entry.name, made, entry.name, left, levels - 1)
            os.fchmod(made, stat.S_IMODE(status.st_mode))
            os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(made)
    finally:
        os.close(inner)


def _copy_file(source: int, name: str, folder: int, target: str, left: _Left) -> None:
    descriptor = os.open(name, confined.READ, dir_fd=source)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileRefused("It has just become a device or a pipe.")
        with os.fdopen(os.open(target, confined.CREATE, 0o600, dir_fd=folder), "wb") as made:
            size = 0
            while piece := file.read(_PIECE):
                size += len(piece)
                if size > status.st_size:  # it grows meanwhile
                    left.take(len(piece))
                made.write(piece)
            made.flush()
            os.fchmod(made.fileno(), stat.S_IMODE(status.st_mode))
            os.fsync(made.fileno())
            os.utime(made.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
