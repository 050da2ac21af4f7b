"""Open what lies below an open folder, without ever leaving it.

Links are resolved as paths and compared with the folder; the result is then walked from the
folder's descriptor without following links. Whatever is put in place in between, what is opened
lies below the folder that was opened first. Nothing but regular files and folders is opened, and
a named pipe does not block.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.files.disk_space import DiskFull, is_full
from opcode_htmx.lib.surrogates import replaced
from opcode_htmx.lib.tree.names import FileRefused, Names


class FileMissing(Exception):
    """There is no such file or folder; the text is a sentence for the person."""


class NameTaken(Exception):
    """There is something of this name already; the text is a sentence for the person."""


class FileTooLarge(Exception):
    """A file or a folder is too large for what was asked; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder: its path, resolved, and a descriptor of it, which the caller keeps open."""

    path: Path
    descriptor: int

    def at(self, names: Sequence[str]) -> Path:
        """The path of something in it, for showing it and for git; not for opening it."""
        return self.path.joinpath(*names)

    def real(self, names: Sequence[str]) -> Names:
        """The same place without links on the way, nor at its end. Raises FileRefused."""
        with explained(names):
            path = Path(os.path.realpath(self.at(names)))
        if not path.is_relative_to(self.path):
            raise FileRefused(f"{_shown(names)} is a link that leads out of the project.")
        return path.relative_to(self.path).parts

    def status(self, names: Sequence[str]) -> os.stat_result:
        """What is at this place; a link is not followed. Raises FileMissing, FileRefused."""
        if not names:
            return os.fstat(self.descriptor)
        with explained(names), self.parent(names) as folder:
            return os.stat(names[-1], dir_fd=folder, follow_symlinks=False)

    @contextlib.contextmanager
    def parent(self, names: Sequence[str]) -> Iterator[int]:
        """A descriptor of the folder that holds it; no name on the way may be a link."""
        descriptor = confined.walk(os.dup(self.descriptor), names[:-1])
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def folder(self, names: Sequence[str]) -> Iterator[int]:
        """A descriptor of a folder, for listing it. Raises FileMissing, FileRefused."""
        with explained(names), self.parent(names) as above:
            inner = os.open(names[-1] if names else ".", confined.LIST, dir_fd=above)
        try:
            yield inner
        finally:
            os.close(inner)

    def open(self, names: Sequence[str]) -> BinaryIO:
        """Open a regular file for reading; a link is not followed. Raises FileMissing, …"""
        if not names:
            raise FileRefused("This is a folder, not a file.")
        with explained(names), self.parent(names) as folder:
            # what a device does when it is opened must not happen
            kind = os.stat(names[-1], dir_fd=folder, follow_symlinks=False).st_mode
            if not stat.S_ISREG(kind):
                raise FileRefused(f"{_shown(names)} is {kind_words(kind)}, not a file.")
            descriptor = os.open(names[-1], confined.READ | os.O_NOCTTY, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileRefused(f"{_shown(names)} is not a file any more.")
        return os.fdopen(descriptor, "rb")


def kind_words(mode: int) -> str:
    """What a thing of this mode is, with its article."""
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a file" if stat.S_ISREG(mode) else "a device, a pipe or a socket"


@contextlib.contextmanager
def explained(names: Sequence[str]) -> Iterator[None]:
    """Turn the errors of the system into ours. Raises FileMissing, NameTaken, FileRefused, …"""
    try:
        yield
    except OSError as error:
        raise _explanation(error, names) from error
    except ValueError as error:  # a NUL character
        raise FileRefused("This path cannot be used.") from error


def _explanation(error: OSError, names: Sequence[str]) -> Exception:
    shown = _shown(names)
    if is_full(error):
        return DiskFull()
    match error.errno:
        case errno.ENOENT | errno.ENAMETOOLONG:
            return FileMissing(f"There is no {shown} in this project.")
        case errno.ENOTDIR | errno.ELOOP:
            return FileMissing(f"There is no {shown} in this project, or a link stands in the way.")
        case errno.EEXIST | errno.ENOTEMPTY | errno.EISDIR:
            return NameTaken(f"There is a {shown} already.")
        case errno.EACCES | errno.EPERM:
            return FileRefused(f"This server may not do that with {shown}.")
        case errno.EROFS:
            return FileRefused("This folder can only be read: its disk is mounted so.")
    reason = (os.strerror(error.errno) if error.errno else "unknown reason").lower()
    return FileRefused(f"That did not work with {shown}: {reason}.")


def _shown(names: Sequence[str]) -> str:
    text = replaced("/".join(names)).replace("\n", "↵")
    return f"“{text if len(text) <= 200 else f'{text[:200]}…'}”" if names else "this folder"
