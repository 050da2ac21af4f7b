"""Notice in every worker that sessions were viewed, or were all marked as seen, on some device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Set
from pathlib import Path

import gevent
from gevent.event import Event

from opcode_htmx.lib.files.file_watch import FolderWatcher

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5
"""Between two calls: a person who reads a session changes its position all the time."""


class SeenWatch:
    """Watches the file of the read positions, which all workers share."""

    def __init__(self, file: Path, changed: Callable[[], None]) -> None:
        """`changed` is called in a greenlet of its own once the file has been replaced."""
        self._file = file
        self._changed = changed
        self._is_due = Event()
        self._watcher: FolderWatcher | None = None
        self._listener: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        self._watcher = FolderWatcher()
        self._watcher.watch_names(self._file.parent, self._note)
        self._listener = gevent.spawn(self._listen)

    def stop(self) -> None:
        if self._listener and self._watcher:
            self._listener.kill()
            self._watcher.close()

    def _note(self, names: Set[str]) -> None:
        if not names or self._file.name in names:
            self._is_due.set()

    def _listen(self) -> None:
        while True:
            self._is_due.wait()
            self._is_due.clear()
            try:
                self._changed()
            except Exception:
                log.exception("The pages of sessions could not show what was seen elsewhere")
            gevent.sleep(PAUSE_SECONDS)
