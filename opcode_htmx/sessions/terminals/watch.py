"""Wake the viewers of a terminal in this worker when its host has written something."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.files.file_watch import FolderWatcher


class OutputWatch:
    """One watch for all viewers of a folder, as long as there are any."""

    def __init__(self) -> None:
        self._watcher = FolderWatcher()
        self._viewers: dict[Path, tuple[Broadcast, int]] = {}

    @contextlib.contextmanager
    def watching(self, folder: Path) -> Iterator[Broadcast]:
        """A broadcast of each change in a folder. Raises OSError."""
        found, count = self._viewers.get(folder, (None, 0))
        if found is None:
            found = Broadcast()
            self._watcher.watch(folder, found.notify)
        self._viewers[folder] = found, count + 1
        try:
            yield found
        finally:
            _, count = self._viewers[folder]
            if count > 1:
                self._viewers[folder] = found, count - 1
            else:
                del self._viewers[folder]
                self._watcher.unwatch(folder)

    def close(self) -> None:
        self._watcher.close()
