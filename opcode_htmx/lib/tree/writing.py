"""Change what lies below an open folder: no name on the way is a link, and nothing is overwritten
unless that is asked for.

A new content is written beside its place and then put there in one step, so a reader and a restart
after a crash find the old one or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.tree.names import FileRefused, Names, is_of_git
from opcode_htmx.lib.tree.tree import Tree, explained, kind_words

PIECE = 256 * 1024
_NO_LINK = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
"""Errors of file systems without hard links."""


def digest_of(content: bytes) -> str:
    """Identifies the content of a file."""
    return hashlib.sha256(content).hexdigest()[:32]


def refuse_own(names: Sequence[str]) -> None:
    """Raises FileRefused for the tree's own folder, and for git's files: they say what git runs."""
    if not names:
        raise FileRefused("The project's own folder is not changed here.")
    if is_of_git(names):
        raise FileRefused("Git's own files are not changed here.")


def replace(
    tree: Tree, names: Names, content: bytes | BinaryIO, check: Callable[[BinaryIO], None]
) -> None:
    """Replace a regular file atomically; its mode stays.

    `check` gets the file as it is, right before it is replaced, and raises to leave it so.
    Raises FileMissing, FileRefused, DiskFull, OSError.
    """
    refuse_own(names)
    with tree.open(names) as before, explained(names), tree.parent(names) as folder:
        status = os.fstat(before.fileno())
        if not status.st_mode & 0o222:
            raise FileRefused(f"“{names[-1]}” is write-protected.")
        with _temporary(folder, stat.S_IMODE(status.st_mode)) as (name, file):
            _keep_owner(file.fileno(), status)
            _write(file, content)
            with tree.open(names) as now:
                check(now)
            os.replace(name, names[-1], src_dir_fd=folder, dst_dir_fd=folder)
        _sync_folder(folder)


def create(tree: Tree, names: Names, content: bytes | BinaryIO) -> int:
    """Make a file that is not there yet, and give its size. Raises NameTaken, …"""
    refuse_own(names)
    with explained(names), tree.parent(names) as folder:
        with _temporary(folder, None) as (name, file):
            size = _write(file, content)
            _place(folder, name, folder, names[-1])
        _sync_folder(folder)
    return size


def make_folder(tree: Tree, names: Names) -> None:
    """Make a folder that is not there yet. Raises NameTaken, FileMissing, FileRefused."""
    refuse_own(names)
    with explained(names), tree.parent(names) as folder:
        os.mkdir(names[-1], dir_fd=folder)


def move(tree: Tree, names: Names, target: Names) -> None:
    """Rename or move something, a link itself and not what it leads to. Raises NameTaken, …"""
    refuse_own(names)
    refuse_own(target)
    if target[: len(names)] == names and target != names:
        raise FileRefused("A folder cannot be moved into itself.")
    with explained(names), tree.parent(names) as source:
        mode = os.stat(names[-1], dir_fd=source, follow_symlinks=False).st_mode
        with explained(target), tree.parent(target) as folder:
            if _is_same(source, names[-1], folder, target[-1]):  # another case of the same name
                os.rename(names[-1], target[-1], src_dir_fd=source, dst_dir_fd=folder)
            elif stat.S_ISDIR(mode):
                _refuse_taken(folder, target[-1])
                os.rename(names[-1], target[-1], src_dir_fd=source, dst_dir_fd=folder)
            else:
                _place(source, names[-1], folder, target[-1])


def take_out(tree: Tree, names: Names, folder: int, name: str) -> str:
    """Move something out of the tree, into an open folder of ours, and say what it was.

    Raises OSError with EXDEV where that is on another disk, and then changes nothing.
    """
    refuse_own(names)
    with tree.parent(names) as source:
        mode = os.stat(names[-1], dir_fd=source, follow_symlinks=False).st_mode
        os.rename(names[-1], name, src_dir_fd=source, dst_dir_fd=folder)
    return kind_words(mode)


def put_in(tree: Tree, names: Names, folder: int, name: str) -> None:
    """Move something of ours into the tree, where nothing may be. Raises NameTaken, OSError."""
    with tree.parent(names) as target:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            _refuse_taken(target, names[-1])
            os.rename(name, names[-1], src_dir_fd=folder, dst_dir_fd=target)
        else:
            _place(folder, name, target, names[-1])


def exists(tree: Tree, names: Names) -> bool:
    """Whether there is anything of this name, also a link that leads nowhere."""
    with explained(names), tree.parent(names) as folder:
        return _exists(folder, names[-1])


@contextlib.contextmanager
def _temporary(folder: int, mode: int | None) -> Iterator[tuple[str, BinaryIO]]:
    """A new file in a folder, and its name; removed at the end, unless it has another name by then.

    Without a `mode` it gets that of any new file of this user.
    """
    name = f".opcode-{secrets.token_hex(12)}"
    new_mode = 0o600 if mode is not None else 0o666
    descriptor = os.open(name, confined.CREATE, new_mode, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            yield name, file
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _write(file: BinaryIO, content: bytes | BinaryIO) -> int:
    def work() -> int:
        size = 0
        if isinstance(content, bytes):
            size = file.write(content)
        else:
            while piece := content.read(PIECE):
                size += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
        return size

    with raise_disk_full():
        return run_in_thread(work)


def _place(source: int, name: str, folder: int, target: str) -> None:
    """Give a file another name, where nothing may be: a link first, which replaces nothing."""
    try:
        os.link(name, target, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _refuse_taken(folder, target)
        os.rename(name, target, src_dir_fd=source, dst_dir_fd=folder)
        return
    os.unlink(name, dir_fd=source)


def _refuse_taken(folder: int, name: str) -> None:
    if _exists(folder, name):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_same(source: int, name: str, folder: int, target: str) -> bool:
    """Whether two different names lead to one thing: on a disk that does not tell case apart.

    Two hard links in one folder are no such names: theirs are two entries.
    """
    if name.casefold() != target.casefold() or name == target:
        return False
    try:
        one = os.stat(name, dir_fd=source, follow_symlinks=False)
        other = os.stat(target, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(one, other) and target not in os.listdir(folder)


def _keep_owner(descriptor: int, status: os.stat_result) -> None:
    for owner, group in ((-1, status.st_gid), (status.st_uid, -1)):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, owner, group)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _sync_folder(folder: int) -> None:
    def work() -> None:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    with contextlib.suppress(OSError):
        run_in_thread(work)
