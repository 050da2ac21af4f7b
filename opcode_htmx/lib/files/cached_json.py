"""Small JSON files that are read many times a second: parsed again only when they have changed."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.json_files import JsonFileSchema

T = TypeVar("T")
_Known: TypeAlias = tuple[tuple[int, int], T | None, bool]
"""A value of `_seen`, the content, and whether that is all of the file."""


class CachedJsonFiles(Generic[T]):
    """The files of one schema, the most recently used ones in memory.

    Files are replaced atomically, also by other workers: another inode or mtime is another content.
    Callers that ask for each line of Claude's give a path as text: a Path costs as much as to look.
    """

    def __init__(self, schema: JsonFileSchema[T], most: int) -> None:
        """Keeps up to `most` files in memory."""
        self._schema = schema
        self._most = most
        self._known: OrderedDict[str, _Known[T]] = OrderedDict()

    def read(self, path: Path | str) -> T | None:
        """The parsed content; None if the file is missing or cannot be read. Raises nothing."""
        known = self._load(os.fspath(path))
        return known[1] if known else None

    @staticmethod
    def seen(path: Path) -> tuple[int, int] | None:
        """A value that changes with the content of a file; None where it cannot be read."""
        return _seen(os.fspath(path))

    def write(
        self,
        path: Path,
        content: dict[str, Any],
        *,
        durable: bool = True,
        value: T | None = None,
    ) -> None:
        """Replace a file as JsonFileSchema.write does. Raises OSError.

        `value` is what `content` would be parsed to, which saves parsing it; then the caller holds
        a lock that all writers of the file take.
        """
        name = os.fspath(path)
        known = self._load(name)
        is_readable = known is not None and known[2]
        before = _seen(name)
        self._schema.write(path, content, durable=durable, is_readable=is_readable)
        _make_later(name, before)
        if value is not None and (seen := _seen(name)):
            self._keep(name, (seen, value, True))

    def _load(self, name: str) -> _Known[T] | None:
        seen = _seen(name)
        known = self._known.pop(name, None)
        if seen is None:
            return None
        if known is None or known[0] != seen:
            known = seen, *self._schema.load(Path(name))
        self._keep(name, known)
        return known

    def _keep(self, path: str, known: _Known[T]) -> None:
        self._known[path] = known
        self._known.move_to_end(path)
        if len(self._known) > self._most:
            self._known.popitem(last=False)


def _make_later(path: str, before: tuple[int, int] | None) -> None:
    """Give a file that was replaced within a tick of the clock a later mtime than the one before.

    The third file of a tick may have the inode of the first one: a process that knows that one
    would take it for unchanged, and write over what was added.
    """
    now = _seen(path)
    if before and now and 0 <= before[1] - now[1] <= atomic_files.CLOCK_TICK_NS:
        later = before[1] + 1
        with contextlib.suppress(OSError):
            os.utime(path, ns=(later, later))


def _seen(path: str) -> tuple[int, int] | None:
    """What another content of a file has not: its inode and mtime. None: it cannot be read."""
    try:
        status = os.stat(path)  # noqa: PTH116 - asked very often
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
