"""Read, write and remove single files of a working tree exactly, without following links."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from contextlib import AbstractContextManager
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined

MOST_BYTES = 256 * 1024 * 1024
"""The largest file that is read."""
_NO_NAMES = frozenset({b"", b".", b"..", b".git", b"git~1"})
"""A path of git's has none of them; one that somebody made up might lead into the repository."""


class CannotKeep(Exception):
    """Something is no file or link, or too large; the text says which."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a path: a file, a link, or nothing (a `mode` of 0).

    `mode` has the permissions of a file; `mark` changes when somebody writes it.
    """

    mode: int = 0
    is_link: bool = False
    size: int = 0
    mark: tuple[int, ...] = ()

    @property
    def exists(self) -> bool:
        return bool(self.mark)


def look(top: Path, path: bytes) -> Found:
    """What is at a path below `top`. Raises CannotKeep, OSError."""
    try:
        with _parent(top, path) as (folder, name):
            status = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return Found()
    except NotADirectoryError:  # a file or a link stands where its folder was
        return Found()
    text = path.decode("utf-8", "replace")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        raise CannotKeep(f"“{text}” is neither a file nor a link.")
    if status.st_size > MOST_BYTES:
        raise CannotKeep(f"“{text}” is too large to be kept. Change it at the computer.")
    mark = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return Found(stat.S_IMODE(status.st_mode), stat.S_ISLNK(status.st_mode), status.st_size, mark)


def check_way(top: Path, path: bytes) -> None:
    """Raises CannotKeep where a file or a link stands in the place of one of its folders, or a
    folder in its own: git would remove that to make space."""
    parts = path.split(b"/")
    for number in range(1, len(parts) + 1):
        here = b"/".join(parts[:number])
        try:
            mode = (top / os.fsdecode(here)).lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISDIR(mode) != (number < len(parts)):
            raise CannotKeep(
                f"Something else stands in the place of “{path.decode('utf-8', 'replace')}”: "
                f"move “{here.decode('utf-8', 'replace')}” away first."
            )


def read(top: Path, path: bytes, found: Found) -> bytes:
    """The content of a file, or the text of a link. Raises OSError."""
    with _parent(top, path) as (folder, name):
        if found.is_link:
            return os.readlink(name, dir_fd=folder)
        descriptor = os.open(name, confined.READ, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(MOST_BYTES + 1)


def write(top: Path, path: bytes, content: bytes, found: Found) -> None:
    """Put a file or a link in place, whole or not at all. Raises CannotKeep, OSError."""
    inner = Path(os.fsdecode(path)).parent
    confined.make_folder(top / inner, top)
    with _parent(top, path) as (folder, name):
        temporary = os.fsencode(f".opcode-{secrets.token_hex(8)}")
        try:
            if found.is_link:
                os.symlink(content, temporary, dir_fd=folder)
            else:
                descriptor = os.open(temporary, confined.CREATE, 0o600, dir_fd=folder)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fchmod(descriptor, found.mode & 0o777)
                    os.fsync(descriptor)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise


def remove(top: Path, path: bytes) -> None:
    """Remove a file or a link, and the folders that are empty then. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), _parent(top, path) as (folder, name):
        os.unlink(name, dir_fd=folder)
    parts = path.split(b"/")[:-1]
    with contextlib.suppress(OSError):  # the first one that is not empty ends it
        while parts:
            with _parent(top, b"/".join(parts)) as (folder, name):
                os.rmdir(name, dir_fd=folder)
            parts.pop()


def _parent(top: Path, path: bytes) -> AbstractContextManager[tuple[int, bytes]]:
    """The opened folder of a path, and its name there. Raises CannotKeep, OSError."""
    if any(part.lower() in _NO_NAMES for part in path.split(b"/")):
        raise CannotKeep(f"“{path.decode('utf-8', 'replace')}” is no file of the working tree.")
    return confined.parent_of(top, path)
