"""List a folder of a tree: its names quickly, and the facts of those that are shown."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree.names import FileRefused, Names
from opcode_htmx.lib.tree.tree import FileMissing, Tree

MOST_READ = 200_000
"""Entries of a folder that are read; of the rest nothing is shown."""


class Listing(NamedTuple):
    """The names in a folder: folders first, each kind sorted without regard to case."""

    names: list[str]
    is_partial: bool
    """Whether the folder has more entries than were read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a folder."""

    name: str
    kind: str
    """`folder`, `file`, `link` (one that leads nowhere), or `special`: a device, a pipe, a socket.
    A link that leads to something in the tree is of the kind of that."""
    size: int = 0
    """Bytes; of a file only."""
    changed_at: float = 0.0
    """Unix time."""
    is_link: bool = False
    target: Names | None = None
    """Where a link leads to in the tree; None where it is no link, or leads out of it."""


def names_in(tree: Tree, names: Sequence[str]) -> Listing:
    """The names in a folder; of a large one to be called in a thread.

    Raises FileMissing, FileRefused.
    """
    folders, others = list[str](), list[str]()
    is_partial = False
    with tree.folder(names) as descriptor, os.scandir(descriptor) as entries:
        for entry in entries:
            if len(folders) + len(others) >= MOST_READ:
                is_partial = True
                break
            is_folder = False
            with contextlib.suppress(OSError):
                is_folder = entry.is_dir(follow_symlinks=False)
            (folders if is_folder else others).append(entry.name)
    for each in (folders, others):  # plain texts are sorted in a tenth of the time of tuples
        each.sort()
        each.sort(key=str.casefold)
    return Listing(folders + others, is_partial)


def entries_of(tree: Tree, names: Sequence[str], wanted: Sequence[str]) -> list[Entry]:
    """The facts of some names in a folder; without those that are gone by now."""
    with tree.folder(names) as descriptor:
        found = [_entry(tree, descriptor, (*names, name)) for name in wanted]
    return [each for each in found if each]


def _entry(tree: Tree, folder: int, names: Names) -> Entry | None:
    name = names[-1]
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISLNK(status.st_mode):
        return Entry(name, kind_of(status.st_mode), _size(status), status.st_mtime)
    try:
        target = tree.real(names)
        status = tree.status(target)
    except (FileMissing, FileRefused):
        return Entry(name, "link", changed_at=status.st_mtime, is_link=True)
    return Entry(name, kind_of(status.st_mode), _size(status), status.st_mtime, True, target)


def kind_of(mode: int) -> str:
    """The kind of an entry by its mode."""
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    return "link" if stat.S_ISLNK(mode) else "special"


def _size(status: os.stat_result) -> int:
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
