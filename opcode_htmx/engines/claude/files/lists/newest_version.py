"""Keep what was found in files, for the newest version of each."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

MOST_KEPT = 8192  # files of which it is kept what was read

T = TypeVar("T")


class OfNewestVersion(Generic[T]):
    """A function of a file, which keeps what it has found in the newest version of each."""

    def __init__(self, read: Callable[[Path, int, int], T]) -> None:
        self._read = read
        self._kept: OrderedDict[str, tuple[int, int, T]] = OrderedDict()
        """By the text of a path, which has a quarter of its size."""

    def __call__(self, path: Path, size: int, mtime_ns: int) -> T:
        known = self._kept.get(os.fspath(path))
        if known is not None and known[:2] == (size, mtime_ns):
            return known[2]
        found = self._read(path, size, mtime_ns)
        self.keep(os.fspath(path), size, mtime_ns, found)
        return found

    def known(self, path: str, size: int, mtime_ns: int) -> T | None:
        """What was found in this version of a file; None where it was not read."""
        known = self._kept.get(path)
        return known[2] if known is not None and known[:2] == (size, mtime_ns) else None

    def keep(self, path: str, size: int, mtime_ns: int, found: T) -> None:
        """Keep what was found in a version of a file."""
        self._kept[path] = size, mtime_ns, found
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def forget(self, path: str) -> None:
        """Drop what was found in a file, which has changed though size and time are the same."""
        self._kept.pop(path, None)
