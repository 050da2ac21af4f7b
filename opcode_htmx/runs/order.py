"""The order of runs, also where the clock was ahead when one of them began.

Such a run would count as the newest one until its time has come, and a session as one without a
live run.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from opcode_htmx.runs.control.run import Run


def sort_session(runs: list[Run]) -> None:
    """Sort the runs of a session, oldest first.

    One whose time is to come stands where its session's file was as long; a live one is the newest.
    """
    runs.sort(key=_created_at)
    now = time.time()
    if not runs or _created_at(runs[-1]) <= now:
        return
    sure = [run for run in runs if _created_at(run) <= now]
    places = {run.id: (number, 1, 0.0) for number, run in enumerate(sure)}
    for run in runs[len(sure) :]:
        start = run.record.history_start
        later = (n for n, each in enumerate(sure) if each.record.history_start >= start)
        place = len(sure) if run.live else next(later, len(sure))
        places[run.id] = place, 0, _created_at(run)
    runs.sort(key=lambda run: places[run.id])


def first_come(runs: Iterable[Run]) -> list[Run]:
    """Sort runs that wait. One whose time is to come has waited since before the clock was set."""
    now = time.time()

    def key(run: Run) -> tuple[float, str]:
        return (0.0 if _created_at(run) > now else _created_at(run)), run.id

    return sorted(runs, key=key)


def _created_at(run: Run) -> float:
    return run.record.created_at
