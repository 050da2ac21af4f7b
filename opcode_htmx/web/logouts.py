"""Logouts, for all workers: what is open under a login that ends is closed wherever it is served.

A logout is an empty file for a minute. It is named after the login, whose id is no secret: only
its signature lets anybody in.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

import gevent
from gevent.event import Event

from ..runs.watch import FolderWatcher

log = logging.getLogger(__name__)

KEPT_SECONDS = 60.0
LOGIN = re.compile(r"[0-9a-f]{32}")


class Logouts:
    """Tells this worker of the logouts in all of them."""

    def __init__(self, folder: Path, ended: Callable[[str], None]) -> None:
        """`ended` is called with the id of each login that ends. Raises OSError."""
        self._folder = folder
        self._ended = ended
        self._news = Event()
        self._seen: set[Path] = set()
        folder.mkdir(mode=0o700, exist_ok=True)
        self._watcher = FolderWatcher()
        self._watcher.watch(folder, self._news.set)
        self._listener = gevent.spawn(self._listen)

    def tell(self, login: str) -> None:
        """A login has ended in this worker."""
        self._ended(login)
        if LOGIN.fullmatch(login):
            try:
                (self._folder / login).touch(mode=0o600)
            except OSError:
                log.exception("The other workers could not be told of a logout")

    def close(self) -> None:
        self._listener.kill()
        self._watcher.close()

    def _listen(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            try:
                there = set(self._folder.iterdir())
            except OSError:
                log.exception("It could not be seen who has logged out elsewhere")
                continue
            for path in there - self._seen:
                self._ended(path.name)
            self._seen = {path for path in there if not self._is_over(path)}

    def _is_over(self, path: Path) -> bool:
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime < KEPT_SECONDS:
                return False
            path.unlink()
        return True
