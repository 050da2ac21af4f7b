"""The order of runs, also where the clock was ahead when one of them began.

Such a run would count as the newest one until its time has come, and a session as one without a
live run.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from opcode_htmx.runs.control.run import Run


def sort_session(runs: list[Run]) -> None:
    """Sort the runs of a session, oldest first; a live one is the newest.

    The others stand by how long their session's file was, which only grows: their times contradict
    it where the clock was ahead, also once these have come.
    """
    now = time.time()

    def key(run: Run) -> tuple[bool, int, bool, float]:
        at = _created_at(run)
        return run.live, run.record.history_start, at <= now, at

    runs.sort(key=key)


def first_come(runs: Iterable[Run]) -> list[Run]:
    """Sort runs that wait. One whose time is to come has waited since before the clock was set."""
    now = time.time()

    def key(run: Run) -> tuple[float, str]:
        return (0.0 if _created_at(run) > now else _created_at(run)), run.id

    return sorted(runs, key=key)


def newest_first(runs: Iterable[Run]) -> list[Run]:
    """Sort runs of any sessions. One whose time is to come began before the clock was set."""
    now = time.time()
    return sorted(runs, key=lambda run: (_created_at(run) <= now, _created_at(run)), reverse=True)


def _created_at(run: Run) -> float:
    return run.record.created_at
