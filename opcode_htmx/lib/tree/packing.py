"""A folder of a tree as a zip file, in pieces that are made as they are read.

Its files are listed first: a tree that grows meanwhile makes no larger file. Links are not
followed; they and whatever cannot be read are named in a note at the end.
"""

from __future__ import annotations

import io
import os
import stat
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.surrogates import replaced
from opcode_htmx.lib.tree.names import FileRefused, Names
from opcode_htmx.lib.tree.tree import FileMissing, FileTooLarge, Tree

MOST_FILES = 20_000
MOST_BYTES = 1_000_000_000
MOST_FOLDERS = 100_000
"""Folders that are walked; one of them may hold no file that is wanted."""
PIECE = 64 * 1024
NOTE = "NOT INCLUDED.txt"
_EARLIEST = (1980, 1, 1, 0, 0, 0)


@dataclass(slots=True)
class Contents:
    """What goes into a zip file, with paths from its folder on."""

    files: list[Names] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    size: int = 0


def contents(
    tree: Tree,
    top: Names,
    wanted: Callable[[Names, bool], bool],
    *,
    most_files: int = MOST_FILES,
    most_bytes: int = MOST_BYTES,
) -> Contents:
    """List a folder and those in it. Raises FileTooLarge, FileMissing, FileRefused.

    `wanted` is asked for each path from `top` on, and whether it is a folder.
    """
    found, walked = Contents(), 0
    waiting: list[Names] = [()]
    while waiting:
        below: Names = waiting.pop()
        walked += 1
        if walked > MOST_FOLDERS:
            raise FileTooLarge(f"This folder holds more than {MOST_FOLDERS:,} folders.")
        try:
            _list(tree, top, below, wanted, found, waiting)
        except (FileMissing, FileRefused):
            if not below:
                raise
            found.left_out.append("/".join(below))
        if len(found.files) > most_files:
            raise FileTooLarge(f"This folder holds more than {most_files:,} files.")
        if found.size > most_bytes:
            raise FileTooLarge(f"This folder holds more than {most_bytes // 1_000_000:,} MB.")
    return found


def _list(
    tree: Tree,
    top: Names,
    below: Names,
    wanted: Callable[[Names, bool], bool],
    found: Contents,
    waiting: list[Names],
) -> None:
    with tree.folder((*top, *below)) as descriptor, os.scandir(descriptor) as entries:
        for entry in entries:
            path = (*below, entry.name)
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            is_folder = stat.S_ISDIR(status.st_mode)
            if not wanted(path, is_folder):
                continue
            if is_folder:
                waiting.append(path)
            elif stat.S_ISREG(status.st_mode):
                found.files.append(path)
                found.size += status.st_size
            else:
                found.left_out.append("/".join(path))
            if len(found.files) > MOST_FILES or len(found.left_out) > MOST_FILES:
                raise FileTooLarge(f"This folder holds more than {MOST_FILES:,} files.")


def zipped(tree: Tree, top: Names, found: Contents) -> Iterator[bytes]:
    """The zip file, in pieces; the tree stays open until the last one."""
    sink = _Sink()
    left_out = list(found.left_out)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(found.files):
            try:
                file = tree.open((*top, *path))
            except (FileMissing, FileRefused):
                left_out.append("/".join(path))
                continue
            with file:
                status = os.fstat(file.fileno())
                with archive.open(_entry(path, status), "w") as target:
                    left = status.st_size
                    while left > 0 and (piece := file.read(min(left, PIECE))):
                        target.write(piece)
                        left -= len(piece)
                        yield from sink.taken()
            yield from sink.taken()
        if left_out:
            archive.writestr(NOTE, _note(left_out))
    yield from sink.taken()


def _entry(path: Sequence[str], status: os.stat_result) -> zipfile.ZipInfo:
    # Other programs take a backslash or a colon for a part of a path
    name = "/".join(replaced(each).replace("\\", "_").replace(":", "_") for each in path)
    written = max(_EARLIEST, time.localtime(min(status.st_mtime, 4_000_000_000))[:6])
    entry = zipfile.ZipInfo(name, written)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | stat.S_IMODE(status.st_mode) & 0o777) << 16
    entry.file_size = status.st_size  # says whether it needs the format for large files
    return entry


def _note(left_out: Sequence[str]) -> bytes:
    lines = ("Links, devices, and what could not be read:", "", *sorted(map(replaced, left_out)))
    return ("\n".join(lines) + "\n").encode()


class _Sink(io.RawIOBase):
    """A file that is only written to, and gives what was written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        if pieces:
            yield b"".join(pieces)
