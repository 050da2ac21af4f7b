"""Open files, open and make folders below a root, safe against symbolic links that lead out of it.

A path is resolved, compared with its root, and then walked from the root without following links.
So the opened file lies below the root even if a link is put in place after the comparison.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

ENTER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
"""O_PATH, where the system has it, also opens folders that may be entered and not listed."""
LIST = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_RDONLY
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""O_NONBLOCK: opening a named pipe must not wait for a writer."""
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""A new file; there may be nothing of its name, also no link."""


class Outside(OSError):
    """A path leads out of its root."""

    def __init__(self, path: Path, root: Path) -> None:
        super().__init__(errno.EXDEV, f"leads out of {root}", str(path))


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path lies in a root after resolving links; False if that cannot be found out."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def open_folder(path: Path, root: Path) -> int:
    """Open a folder below a root; the caller closes the descriptor. Raises Outside, OSError."""
    root, parts = _below(path, root)
    return _walk(root, parts)


def make_folder(path: Path, root: Path) -> None:
    """Make a folder below a root, and those that are missing on the way to it.

    Nothing happens to folders that exist. Raises Outside, OSError.
    """
    root, parts = _below(path, root)
    descriptor = os.open(root, ENTER)
    try:
        for part in parts:
            try:
                inner = os.open(part, ENTER, dir_fd=descriptor)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
                inner = os.open(part, ENTER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
    finally:
        os.close(descriptor)


def open_file(path: Path, root: Path) -> BinaryIO:
    """Open a file below a root for reading. Raises Outside; OSError if it is no regular file."""
    root, parts = _below(path, root)
    if not parts:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    folder = _walk(root, parts[:-1])
    try:
        descriptor = os.open(parts[-1], READ, dir_fd=folder)
    finally:
        os.close(folder)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a file", str(path))
    return file


@contextlib.contextmanager
def parent_of(top: Path, path: bytes) -> Iterator[tuple[int, bytes]]:
    """The opened folder that a path below `top` lies in, and its name there.

    No link is followed, also none that stays inside. Raises OSError.
    """
    *folders, name = path.split(b"/")
    descriptor = walk(os.open(top, LIST), folders, LIST)
    try:
        yield descriptor, name
    finally:
        os.close(descriptor)


def walk(descriptor: int, names: Iterable[str | bytes], flags: int = ENTER) -> int:
    """Open folders one in the other, from an open one on, which is closed. Raises OSError.

    With flags of this module no link is followed.
    """
    for name in names:
        try:
            inner = os.open(name, flags, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _below(path: Path, root: Path) -> tuple[Path, tuple[str, ...]]:
    """The resolved root, and the names that lead from it to a path."""
    try:
        root, resolved = root.resolve(), path.resolve()
    except (RuntimeError, ValueError) as error:  # links in a circle, a NUL character
        raise OSError(errno.ELOOP, str(error), str(path)) from error
    if not resolved.is_relative_to(root):
        raise Outside(path, root)
    return root, resolved.relative_to(root).parts


def _walk(root: Path, parts: tuple[str, ...]) -> int:
    return walk(os.open(root, ENTER), parts)
