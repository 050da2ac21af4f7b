"""List the folders in a folder in which Claude may work. Knows no page.

The folder is opened below its root without following links, and listed by its descriptor: what is
put in its place meanwhile is not listed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.policies.working_folders import (
    InvalidFolder,
    OpenFolder,
    WorkingFolders,
    is_utf8,
)

MOST_SHOWN = 200
MOST_READ = 200_000
"""Entries of a folder that are read; of the rest nothing is shown."""
SECONDS = 3.0
"""For reading the entries: a network drive may be slow."""

OUTSIDE = "leads to a folder that Claude may not work in"
NOT_UTF8 = "Claude Code cannot work in a folder whose name is not UTF-8"


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A folder in a listing. `path` leads to it; for a link it is where the link leads."""

    name: str
    path: Path
    is_git: bool = False
    is_link: bool = False
    obstacle: str = ""
    """Why it cannot be chosen, in words that follow its name."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The folders in a folder that match a query; `found` counts those beyond `entries` too."""

    path: Path
    entries: tuple[FolderEntry, ...]
    found: int
    hidden: int
    """The hidden folders that were left out."""
    is_partial: bool
    """Whether the folder has more entries than were read."""


def list_folders(
    folders: WorkingFolders,
    path: Path,
    *,
    query: str = "",
    is_prefix: bool = False,
    with_hidden: bool = False,
    most: int = MOST_SHOWN,
) -> Listing:
    """The folders in `path`, by name; those that begin with `query` before others that contain it.

    `is_prefix`: the others are left out. Hidden ones are left out as well unless asked for: by
    `with_hidden`, or by a query that begins with a dot. Raises InvalidFolder.
    """
    wanted = query.casefold()
    with_hidden = with_hidden or wanted.startswith(".")

    def matches(name: str) -> bool:
        folded = name.casefold()
        is_shown = with_hidden or not name.startswith(".")
        return is_shown and (folded.startswith(wanted) if is_prefix else wanted in folded)

    def order(name: str) -> tuple[bool, str, str]:
        folded = name.casefold()
        return not folded.startswith(wanted), folded, name

    def read() -> Listing:
        with folders.opened(path) as opened, _readable(opened) as descriptor:
            names, is_partial = _names(descriptor)
            matching = sorted(filter(matches, names), key=order)
            entries = tuple(_entry(folders, opened.path, descriptor, n) for n in matching[:most])
        hidden = 0 if with_hidden else sum(name.startswith(".") for name in names)
        return Listing(opened.path, entries, len(matching), hidden, is_partial)

    return run_in_thread(read)


@contextlib.contextmanager
def _readable(opened: OpenFolder) -> Iterator[int]:
    """A descriptor for reading: the one of an open folder may only be entered."""
    try:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=opened.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InvalidFolder(f"“{opened.path}” cannot be read: {reason}.") from error


def _names(descriptor: int) -> tuple[list[str], bool]:
    """The names of the folders, and of links to folders; whether there may be more."""
    names, until = list[str](), time.monotonic() + SECONDS
    with os.scandir(descriptor) as entries:
        for count, entry in enumerate(entries):
            if count >= MOST_READ or time.monotonic() > until:
                return names, True
            if _is_folder(entry):
                names.append(entry.name)
    return names, False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _entry(folders: WorkingFolders, parent: Path, descriptor: int, name: str) -> FolderEntry:
    path = parent / name
    try:
        is_link = path.is_symlink()
        target = path.resolve() if is_link else path
        if folders.root_of(target) is None:
            return FolderEntry(name, target, is_link=True, obstacle=OUTSIDE)
        if not is_utf8(target):
            return FolderEntry(name, target, is_link=is_link, obstacle=NOT_UTF8)
        has_git = os.path.lexists(target / ".git") if is_link else _has(descriptor, f"{name}/.git")
        return FolderEntry(name, target, has_git, is_link)
    except (OSError, RuntimeError):
        return FolderEntry(name, path)


def _has(descriptor: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return False
    return True


def free_name(folder: Path, wanted: str) -> str:
    """`wanted`, or with a number behind it where there is something of that name in the folder."""
    for number in range(1, 1000):
        name = wanted if number == 1 else f"{wanted}-{number}"
        if not os.path.lexists(folder / name):
            return name
    return wanted
