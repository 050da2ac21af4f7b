"""List the folders in a folder in which Claude may work. Knows no page.

The folder is opened below its root without following links, and listed by its descriptor: what is
put in its place meanwhile is not listed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.runs.policies.working_folders import InvalidFolder, WorkingFolders

MOST_SHOWN = 200
MOST_READ = 200_000
"""Entries of a folder that are read; of the rest nothing is shown."""
SECONDS = 3.0
"""For reading the entries: a network drive may be slow."""


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A folder in a listing. `path` leads to it; for a link it is where the link leads."""

    name: str
    path: Path
    is_git: bool = False
    is_link: bool = False
    is_outside: bool = False
    """Whether it is a link that leads out of the roots, so that it cannot be chosen."""


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
    with_hidden: bool = False,
    most: int = MOST_SHOWN,
) -> Listing:
    """The folders in `path`, by name; those that begin with `query` before others that contain it.

    Hidden ones are left out unless asked for: by `with_hidden`, or by a query that begins with a
    dot. Raises InvalidFolder.
    """
    return run_in_thread(_list, folders, path, query.casefold(), with_hidden, most)


def _list(folders: WorkingFolders, path: Path, query: str, with_hidden: bool, most: int) -> Listing:
    with folders.opened(path) as opened:
        try:
            # the descriptor may be one that can be entered and not read
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=opened.descriptor)
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            names, is_partial = _names(descriptor)
            matching = [name for name in names if query in name.casefold()]
            if not (with_hidden or query.startswith(".")):
                matching = [name for name in matching if not name.startswith(".")]
            matching.sort(key=lambda name: (not name.casefold().startswith(query), _order(name)))
            shown = tuple(_entry(folders, opened.path, descriptor, n) for n in matching[:most])
        except OSError as error:
            raise _unreadable(path, error) from error
        finally:
            os.close(descriptor)
    hidden = 0 if with_hidden else sum(name.startswith(".") for name in names)
    return Listing(opened.path, shown, len(matching), hidden, is_partial)


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
        if path.is_symlink():
            target = path.resolve()
            is_outside = folders.root_of(target) is None
            return FolderEntry(
                name,
                target,
                is_git=not is_outside and os.path.lexists(target / ".git"),
                is_link=True,
                is_outside=is_outside,
            )
        return FolderEntry(name, path, is_git=_has(descriptor, f"{name}/.git"))
    except (OSError, RuntimeError):
        return FolderEntry(name, path)


def _has(descriptor: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return False
    return True


def _order(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _unreadable(path: Path, error: OSError) -> InvalidFolder:
    reason = (error.strerror or "unknown reason").lower()
    return InvalidFolder(f"“{path}” cannot be read: {reason}.")


def free_name(folder: Path, wanted: str, taken: Iterable[str] = ()) -> str:
    """`wanted`, or with a number behind it where there is something of that name in the folder."""
    names = set(taken)
    for number in range(1, 1000):
        name = wanted if number == 1 else f"{wanted}-{number}"
        if name not in names and not os.path.lexists(folder / name):
            return name
    return wanted
