"""Put a whole file in place, so that a reader, and a crash, sees the old one or the new one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from .disk import telling_when_full


def write(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace `path` in one step. Its folder must be there; raises OSError, and changes nothing.

    Of these, it is DiskFull where there is no room. What is not `durable` may be lost with the
    power: that is for what is written often.
    """
    with telling_when_full():
        draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Let the names of the files in it outlast the power, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
