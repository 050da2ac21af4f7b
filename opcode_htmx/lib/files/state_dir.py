"""Make the state folder private, and create files in it that are made once."""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path


class StateError(Exception):
    """The state folder cannot be used; the message is one sentence for the user."""


def ensure_state_dir(path: Path) -> Path:
    """Make the folder (0700) if it is missing, and check that only this user can write to it.

    Raises StateError. An existing folder keeps its mode: other users may need to read it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode
        probe = path / f".probe-{secrets.token_hex(8)}"
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        probe.unlink()
    except OSError as error:
        raise StateError(
            f"The state folder {path} cannot be written to ({error.strerror}); "
            "make it writable or name another one in OPCODE_STATE_DIR."
        ) from None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StateError(
            f"Other users can write to the state folder {path}; "
            "run chmod 700 on it or name another one in OPCODE_STATE_DIR."
        )
    return path


def make_private(path: Path) -> None:
    """Take the permissions of other users from the entries of a folder, where we may.

    An earlier version of the program, or the user, may have left them open. Deeper entries need no
    change, as nobody else can reach them.
    """
    with os.scandir(path) as entries:
        for each in entries:
            with contextlib.suppress(OSError):  # gone, or of another user
                mode = each.stat(follow_symlinks=False).st_mode
                if mode & 0o077 and not stat.S_ISLNK(mode):
                    Path(each.path).chmod(stat.S_IMODE(mode) & ~0o077)


def create_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a private file (0600); the first caller on the machine makes it.

    Two processes that start at once get the same content, and neither sees half of it.
    Raises StateError, also for an empty file.
    """
    ensure_state_dir(path.parent)
    try:
        with contextlib.suppress(FileNotFoundError):
            return _read_private(path)
        _publish(path, make())
        return _read_private(path)
    except OSError as error:
        raise StateError(f"{path} cannot be used ({error.strerror}).") from None


def _publish(path: Path, content: bytes) -> None:
    """Put a complete file in place, unless another process was faster."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces the file of another process.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()


def _read_private(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            os.fchmod(file.fileno(), 0o600)
        content = file.read()
    if not content.strip():
        raise StateError(f"{path} is empty; delete it and start again.")
    return content
