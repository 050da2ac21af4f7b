"""Put a whole file in place, so that a reader, and a crash, sees the old one or the new one.

Files and folders that are made here are for their owner alone, whatever the umask allows others.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from opcode_htmx.lib.cooperative import run_in_thread
from opcode_htmx.lib.files.disk_space import raise_disk_full

LARGE = 1_000_000
"""Bytes that take milliseconds to write."""


def make_folder(path: Path) -> None:
    """Make a folder and the missing ones above it, all of them 0700. Raises OSError.

    `Path.mkdir` gives its mode to the last one only.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def write(
    path: Path,
    content: bytes,
    *,
    mode: int = 0o600,
    durable: bool = True,
    then: Callable[[], None] = lambda: None,
) -> None:
    """Replace `path` in one step. Its folder must be there; raises OSError, and changes nothing.

    Of these, it is DiskFull where there is no room. What is not `durable` may be lost with the
    power: that is for what is written often. Others go on while the disk is waited for: who
    changes what stands in a file holds a lock for as long as that takes. As soon as the new one is
    in place, `then` is called, before the others have a turn.
    """
    with raise_disk_full():
        draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                if len(content) < LARGE:
                    file.write(content)
                else:
                    run_in_thread(file.write, content)
                if durable:
                    sync(file)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        then()
        if durable:
            _sync_folder(path.parent)


def sync(file: BinaryIO) -> None:
    """Let what was written outlast the power. Others go on meanwhile: disks may take seconds."""
    file.flush()
    _sync(os.dup(file.fileno()))


def _sync_folder(folder: Path) -> None:
    """Let the names of the files in it outlast the power, too."""
    _sync(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))


def _sync(descriptor: int) -> None:
    def work() -> None:  # which closes it itself: who waits may be killed meanwhile
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    run_in_thread(work)
