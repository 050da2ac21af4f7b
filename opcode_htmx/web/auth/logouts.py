"""Close the sockets of ended logins, in every worker, whatever ended them.

A login ends when its file is removed (see logins.py), so each worker watches the folder; expired
logins are found by a periodic check.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from opcode_htmx.lib.files.file_watch import FolderListener

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
        self._listener = FolderListener(
            folder,
            self.check,
            "The sockets of logins that have ended could not be closed",
            removals=True,
            at_least_every=CHECK_SECONDS,
        )

    def start(self) -> None:
        """Raises OSError when the folder cannot be made."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._listener.start()

    def close(self) -> None:
        self._listener.stop()

    def check(self) -> None:
        """Close the sockets of each login that has ended."""
        for login in set(self._in_use()) - {""}:  # empty for HTTP Basic, which has no login
            if not self._is_valid(login):
                self._ended(login)
