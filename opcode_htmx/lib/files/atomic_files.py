"""Replace files atomically: readers, and a restart after a crash, find the old or the new content.

A text that is to be used once is handed over in a file of its own.
Files and folders are made private to their owner, whatever the umask allows.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.files.disk_space import raise_disk_full

_HERE, _SWAP = -100, 2
"""AT_FDCWD, and RENAME_EXCHANGE of Linux, which is RENAME_SWAP of macOS."""
CLOCK_TICK_NS = 20_000_000
"""A second change within this time may not change a folder's modification time."""
LARGE = 1_000_000
"""Bytes; writing so many takes milliseconds, so it is done in a thread."""


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, each with mode 0700. Raises OSError.

    `Path.mkdir` applies its mode to the last folder only.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def version(folder: Path) -> tuple[int, int] | None:
    """A value that changes whenever a file of the folder is replaced, added or removed.

    (0, 0) for a missing folder. None just after a change: a second one within a tick of the clock
    would not change the value.
    """
    try:
        status = os.stat(folder)  # noqa: PTH116 - asked very often
    except OSError:
        return 0, 0
    is_settled = time.time_ns() - status.st_mtime_ns > CLOCK_TICK_NS
    return (status.st_ino, status.st_mtime_ns) if is_settled else None


def write(
    path: Path,
    content: bytes,
    *,
    mode: int = 0o600,
    durable: bool = True,
    like: Path | None = None,
    before_replacing: Callable[[], object] = lambda: None,
    on_replaced: Callable[[], None] = lambda: None,
) -> None:
    """Replace `path` atomically; its folder must exist.

    Raises OSError, DiskFull among them, and leaves the old file as it was. Without `durable` the
    new content may be lost in a power failure; meant for files that are written often. Other
    greenlets run while this waits for the disk, so a caller that reads, changes and writes a file
    must hold a lock meanwhile. The file gets the owner and group of `like` as far as that is
    allowed. `before_replacing` is called right before the new file takes its place, and may raise
    to leave the old one. `on_replaced` is called right after the new file is in place, before
    other greenlets run.
    """
    with raise_disk_full():
        temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if like is not None:
                    _set_owner(file.fileno(), like)
                os.fchmod(file.fileno(), mode)
                if len(content) < LARGE:
                    file.write(content)
                else:
                    run_in_thread(file.write, content)
                if durable:
                    sync(file)
            before_replacing()
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        on_replaced()
        if durable:
            _sync_folder(path.parent)


def hand_over(path: Path, text: str) -> None:
    """Leave a text, not empty, for the worker that takes it; its folder must exist.

    Raises FileExistsError while another one is there, and OSError.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def taken(path: Path) -> str:
    """The text that was left at `path`, which is gone then; empty if there is none."""
    try:
        text = path.read_text()
        if text:  # else it is being written just now
            path.unlink()
    except OSError:
        return ""
    return text


def remove_old(paths: Iterable[Path], seconds: float) -> None:
    """Remove those files that were not changed for so long."""
    oldest = time.time() - seconds
    for path in paths:
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _set_owner(descriptor: int, like: Path) -> None:
    """Give an open file the owner and group of another one that exists, where that is allowed."""
    try:
        wanted = like.stat()
    except OSError:
        return
    for owner, group in ((-1, wanted.st_gid), (wanted.st_uid, -1)):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, owner, group)


def sync(file: BinaryIO) -> None:
    """Sync a file to the disk, in a thread, because disks may take seconds. Raises OSError."""
    file.flush()
    _sync_and_close(os.dup(file.fileno()))


def _sync_folder(folder: Path) -> None:
    """Sync the names of the files in a folder."""
    _sync_and_close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))


def _sync_and_close(descriptor: int) -> None:
    def work() -> None:  # closes the descriptor itself: the waiting greenlet may be killed
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    run_in_thread(work)


def exchange(one: Path, other: Path) -> bool:
    """Have two files or folders of a file system change places, at once.

    False, and nothing is changed, where the system or the file system cannot.
    """
    paths = os.fsencode(one), os.fsencode(other)
    libc = ctypes.CDLL(None)
    try:
        if sys.platform == "darwin":
            return libc.renamex_np(*paths, _SWAP) == 0  # type: ignore[no-any-return]
        return libc.renameat2(_HERE, paths[0], _HERE, paths[1], _SWAP) == 0  # type: ignore[no-any-return]
    except AttributeError:
        return False
