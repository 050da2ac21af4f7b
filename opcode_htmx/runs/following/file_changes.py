"""Which files of a run have changed, and when its follower is to look at them.

Lines that nobody waits for are left for a moment, so that several are folded at once: most of what
a line costs is the way to it. What else changes is looked at at once.
"""

from __future__ import annotations

import time
from collections.abc import Set
from typing import Any

import gevent
from gevent.event import Event

from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.runs.model.run_folder import (
    ERRORS,
    INPUT_CUT,
    INPUT_LOG,
    OUTPUT,
    RECORD,
    STOP_REQUEST,
)

FOLD_SECONDS = 0.13
"""How long lines may be left."""
_RECORDS = frozenset({RECORD, STOP_REQUEST})
_FOLLOWED = frozenset({*_RECORDS, INPUT_LOG, OUTPUT, ERRORS, INPUT_CUT})
"""Other files of the folder are ignored, such as the one of how far events were emitted."""
_ONLY_OUTPUT = {OUTPUT}


class FileChanges:
    """Of one run that is followed."""

    def __init__(self) -> None:
        self.record_may_be_new = True
        """Whether the record, or a stop request, may be new since it was looked at last."""
        self._is_due = Event()
        self._is_due.set()
        self._looked_at = 0.0
        self._timer: Any = None

    def note(self, names: Set[str], changed: Broadcast) -> bool:
        """Note that files of these names have changed; without any, it is unknown which.

        `changed` is that of the run. Returns whether it is any of the files that are followed.
        """
        if names and names.isdisjoint(_FOLLOWED):
            return False
        if names == _ONLY_OUTPUT and not changed.is_awaited:
            changed.notify()  # for those that will wait
            if time.monotonic() - self._looked_at < FOLD_SECONDS:
                self._look_soon()
                return True
        if not names or not names.isdisjoint(_RECORDS):
            self.record_may_be_new = True
        self._is_due.set()
        return True

    def look(self) -> None:
        """Have the follower look now."""
        self._is_due.set()

    def wait(self) -> None:
        """Wait until the files are to be looked at."""
        self._is_due.wait()
        self._is_due.clear()
        self._looked_at = time.monotonic()
        if self._timer is not None:
            self._timer.stop()

    def close(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.close()

    def _look_soon(self) -> None:
        if self._timer is None:
            loop: Any = gevent.get_hub().loop
            # repeated, as libev goes on with the rest of the time of one that is not
            self._timer = loop.timer(FOLD_SECONDS, FOLD_SECONDS, ref=False)
        if not self._timer.active:
            self._timer.again(self._is_due.set)
