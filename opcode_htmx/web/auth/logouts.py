"""Close the sockets of ended logins, in every worker, whatever ended them.

A login ends when its file is removed (see logins.py), so each worker watches the folder; expired
logins are found by a periodic check.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path

import gevent
from gevent.event import Event

from opcode_htmx.lib.files.file_watch import FolderWatcher

log = logging.getLogger(__name__)

CHECK_SECONDS = 60.0
"""How long an expired login may keep its sockets."""


class LogoutWatcher:
    """Detects ended logins in this worker."""

    def __init__(
        self,
        folder: Path,
        in_use: Callable[[], Collection[str]],
        is_valid: Callable[[str], bool],
        ended: Callable[[str], None],
    ) -> None:
        """`in_use` returns the ids of logins with open sockets; `ended` is called for each of these
        that is no longer valid.
        """
        self._folder = folder
        self._in_use = in_use
        self._is_valid = is_valid
        self._ended = ended
        self._changed = Event()
        self._watcher: FolderWatcher | None = None
        self._listener: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Raises OSError when the folder cannot be made."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._watcher = FolderWatcher()
        self._watcher.watch(self._folder, self._changed.set, removals=True)
        self._listener = gevent.spawn(self._listen)

    def close(self) -> None:
        if self._listener and self._watcher:
            self._listener.kill()
            self._watcher.close()

    def check(self) -> None:
        """Close the sockets of each login that has ended."""
        for login in set(self._in_use()) - {""}:  # empty for HTTP Basic, which has no login
            if not self._is_valid(login):
                self._ended(login)

    def _listen(self) -> None:
        while True:
            self._changed.wait(CHECK_SECONDS)
            self._changed.clear()
            try:
                self.check()
            except Exception:
                log.exception("The sockets of logins that have ended could not be closed")
