"""What of a folder goes into a backup, in an order in which its files fit together.

Files that are replaced as a whole are read as they are. Of files that are appended to, what stands
at one moment is taken, up to the end of a line; that moment comes after the whole files beside them
were read, so a record never knows more than the lines do.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass

APPENDED = (".ndjson", ".log")
DATABASE = ".sqlite"

_TEMPORARY = re.compile(r"\..+-[0-9a-f]{16}")
"""Of a file that is being replaced (lib/files/atomic_files.py)."""
_LOCKS = frozenset({"lock", "owner", "starter"})
_BESIDE_DATABASE = (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Item:
    """A folder or a file of a backup."""

    name: str
    """Its path in the backup, with slashes."""
    path: Path
    is_folder: bool = False
    size: int | None = None
    """Bytes to take of a file that is appended to; None for all of it."""
    is_database: bool = False


def items(
    root: Path,
    names: Collection[str],
    left_out: Callable[[str], None],
    verbatim: Collection[str] = (),
) -> Iterator[Item]:
    """The entries of `root` with these names, and all that is in them; folders before their files.

    Locks, temporary files and pipes are no data. Links and devices are, but cannot be restored
    safely: their names are given to `left_out`. Files removed meanwhile are skipped. Those of
    the `names` that are `verbatim` hold files of people, which have any name and are taken whole.
    """
    ours = _Folder(left_out)
    yield from ours.items(root, "", frozenset(names) - frozenset(verbatim))
    theirs = _Folder(left_out, is_verbatim=True)
    yield from theirs.items(root, "", frozenset(names) & frozenset(verbatim))


class _Folder:
    """Lists folders by one set of rules."""

    def __init__(self, left_out: Callable[[str], None], *, is_verbatim: bool = False) -> None:
        self._left_out = left_out
        self._is_verbatim = is_verbatim

    def items(
        self, folder: Path, prefix: str, names: Collection[str] | None = None
    ) -> Iterator[Item]:
        for entry in _entries(folder, names):
            if not (_is_folder(entry) or self._is_appended(entry)):
                yield from self._item(entry, f"{prefix}{entry.name}")
        # Listed again: what is in the whole files is from after the first list
        entries = _entries(folder, names)
        appended = [
            item
            for entry in entries
            if self._is_appended(entry) and not _is_folder(entry)
            for item in self._item(entry, f"{prefix}{entry.name}")
        ]
        yield from _sized(appended)
        for entry in filter(_is_folder, entries):
            for item in self._item(entry, f"{prefix}{entry.name}"):
                yield item
                yield from self.items(item.path, f"{item.name}/")

    def _is_appended(self, entry: os.DirEntry[str]) -> bool:
        return entry.name.endswith(APPENDED) and not self._is_verbatim

    def _is_data(self, entry: os.DirEntry[str]) -> bool:
        """Whether a file is data, by its name."""
        name = entry.name
        is_lock = name in _LOCKS or name.endswith(".lock")
        is_aside = name.endswith(_BESIDE_DATABASE) or _TEMPORARY.fullmatch(name) is not None
        return self._is_verbatim or not (is_lock or is_aside)

    def _item(self, entry: os.DirEntry[str], name: str) -> Iterator[Item]:
        """The entry as an item, if it is data."""
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            yield Item(name, Path(entry.path), is_folder=True)
        elif stat.S_ISREG(mode):
            if self._is_data(entry):
                is_database = name.endswith(DATABASE) and not self._is_verbatim
                yield Item(name, Path(entry.path), is_database=is_database)
        elif not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            self._left_out(name)


def _entries(folder: Path, names: Collection[str] | None) -> list[os.DirEntry[str]]:
    """By name; objects of git last, as references to them are made after them."""
    try:
        with os.scandir(folder) as found:
            entries = [each for each in found if names is None or each.name in names]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(entries, key=lambda each: (each.name == "objects", each.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _sized(found: list[Item]) -> Iterator[Item]:
    """Files that are appended to, as long as they are now; what is read first was written first."""
    sized = []
    # Output is measured before the input that it answers
    for item in sorted(found, key=lambda each: each.path.name.startswith("in.")):
        try:
            sized.append(Item(item.name, item.path, size=item.path.stat().st_size))
        except FileNotFoundError:
            continue
    yield from sized


def whole_lines(descriptor: int, size: int) -> int:
    """The bytes of the first `size` ones of a file that are whole lines."""
    end = size
    while end > 0:
        begin = max(0, end - _CHUNK)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
