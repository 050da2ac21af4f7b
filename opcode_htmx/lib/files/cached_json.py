"""Small JSON files that are read many times a second: parsed again only when they have changed."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, Generic, TypeVar

from opcode_htmx.lib.files.json_files import JsonFileSchema

T = TypeVar("T")


class CachedJsonFiles(Generic[T]):
    """The files of one schema, the most recently used ones in memory.

    Files are replaced atomically, also by other workers: another inode or mtime is another content.
    """

    def __init__(self, schema: JsonFileSchema[T], most: int) -> None:
        """Keeps up to `most` files in memory."""
        self._schema = schema
        self._most = most
        self._known: OrderedDict[Path, tuple[tuple[int, int], T | None]] = OrderedDict()

    def read(self, path: Path) -> T | None:
        """The parsed content; None if the file is missing or cannot be read. Raises nothing."""
        try:
            status = path.stat()
        except OSError:
            self._known.pop(path, None)
            return None
        seen = (status.st_ino, status.st_mtime_ns)
        known = self._known.pop(path, None)
        if known is None or known[0] != seen:
            known = seen, self._schema.read(path)
        self._known[path] = known
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return known[1]

    def write(self, path: Path, content: dict[str, Any], *, durable: bool = True) -> None:
        """Replace a file as JsonFileSchema.write does. Raises OSError."""
        self._schema.write(path, content, durable=durable)
