"""Look at and change single entries of a working tree, never through a symbolic link.

Each path is walked from the top without following links, also those that stay inside: a link in
the way means that the tree is another one than the snapshot knows.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path

from opcode_htmx.lib.files import confined
from opcode_htmx.lib.git.snapshots.plan import Entry

_CHUNK = 1 << 20


class Places:
    """The entries of a tree, on the disk. `prefix` begins the names of temporary files."""

    def __init__(self, top: Path, prefix: str, hash_name: str) -> None:
        self._top = top
        self._prefix = os.fsencode(prefix)
        self._hash_name = hash_name
        self._number = 0

    def state(self, path: bytes) -> tuple[int, str] | None:
        """The kind and the object id of what is at a path; None if there is nothing.

        The kind is S_IFMT of its mode; the id is empty for what is neither a file nor a link.
        Raises OSError where it cannot be read.
        """
        try:
            with self._parent(path) as (parent, name):
                status = os.stat(name, dir_fd=parent, follow_symlinks=False)
                kind = stat.S_IFMT(status.st_mode)
                if stat.S_ISLNK(status.st_mode):
                    return kind, self._id_of(os.readlink(name, dir_fd=parent))
                if not stat.S_ISREG(status.st_mode):
                    return kind, ""
                return kind, self._id_of_file(name, parent)
        except FileNotFoundError:
            return None
        except OSError as error:
            # a file or a link where the snapshot has a folder: nothing is at this path
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                return None
            raise

    def is_as(self, path: bytes, entry: Entry | None, *, permissions: bool = False) -> bool:
        """Whether a path is as an entry says; with its `permissions` if that is asked for."""
        found = self.state(path)
        if found is None or entry is None:
            return found is None and entry is None
        if entry.is_folder:
            same = stat.S_ISDIR(found[0])
        else:
            same = found == (stat.S_IFMT(entry.mode), entry.object_id)
        if same and permissions and entry.permissions is not None:
            return self._permissions(path) == entry.permissions
        return same

    def remove(self, path: bytes) -> None:
        """Remove a file or a link."""
        with self._parent(path) as (parent, name):
            os.unlink(name, dir_fd=parent)

    def remove_folder(self, path: bytes) -> bool:
        """Remove a folder if it is empty; whether it was."""
        try:
            with self._parent(path) as (parent, name):
                os.rmdir(name, dir_fd=parent)
        except OSError:
            return False
        return True

    def make_folder(self, path: bytes, mode: int) -> None:
        """Make a folder if it is missing. Raises OSError, also where something else is there."""
        with self._parent(path) as (parent, name):
            try:
                os.mkdir(name, 0o700, dir_fd=parent)
            except FileExistsError:
                os.close(os.open(name, confined.LIST, dir_fd=parent))
                return
        self.set_permissions(path, mode)

    def set_permissions(self, path: bytes, mode: int) -> None:
        """Set the permissions of a file or folder, not of what a link leads to."""
        with self._parent(path) as (parent, name):
            descriptor = os.open(name, confined.READ, dir_fd=parent)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.close(os.open(name, confined.LIST, dir_fd=parent))
                os.fchmod(descriptor, mode)
            finally:
                os.close(descriptor)

    def write(self, path: bytes, entry: Entry, content: bytes, expected: Entry | None) -> bool:
        """Put a file or a link in place atomically, its folder exists.

        False, and nothing is changed, where what is there is not as `expected` any more.
        """
        self._number += 1
        with self._parent(path) as (parent, name):
            temporary = self._prefix + str(self._number).encode()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=parent)
            try:
                if entry.is_link:
                    os.symlink(content, temporary, dir_fd=parent)
                else:
                    self._write_file(temporary, parent, content, entry.permissions or 0)
                if not self.is_as(path, expected):
                    os.unlink(temporary, dir_fd=parent)
                    return False
                os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=parent)
                raise
        return True

    def clean(self, folder: bytes) -> None:
        """Remove the temporary files that a killed worker has left in a folder."""
        path = folder + b"/x" if folder else b"x"
        with contextlib.suppress(OSError), self._parent(path) as (descriptor, _):
            with os.scandir(descriptor) as entries:
                names = [os.fsencode(entry.name) for entry in entries]
            for name in names:
                if name.startswith(self._prefix):
                    os.unlink(name, dir_fd=descriptor)

    def _write_file(self, name: bytes, parent: int, content: bytes, mode: int) -> None:
        descriptor = os.open(name, confined.CREATE, 0o600, dir_fd=parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)

    def _permissions(self, path: bytes) -> int:
        with self._parent(path) as (parent, name):
            return stat.S_IMODE(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)

    def _parent(self, path: bytes) -> AbstractContextManager[tuple[int, bytes]]:
        """A descriptor of the folder that a path lies in, and its name there."""
        return confined.parent_of(self._top, path)

    def _id_of(self, content: bytes) -> str:
        digest = hashlib.new(self._hash_name, b"blob %d\0" % len(content))
        digest.update(content)
        return digest.hexdigest()

    def _id_of_file(self, name: bytes, parent: int) -> str:
        with os.fdopen(os.open(name, confined.READ, dir_fd=parent), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return ""
            digest = hashlib.new(self._hash_name, b"blob %d\0" % status.st_size)
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()
