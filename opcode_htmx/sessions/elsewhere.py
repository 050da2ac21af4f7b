"""Detect that a session is also open in another program, and word the message about it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from opcode_htmx.engines.claude.files.process_registry import (
    LiveSession,
    live_sessions,
)
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase

FRESH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The message for the page; `can_begin_again`: with a button to continue from the newest entry.

    An empty sentence: the session is open nowhere else.
    """

    sentence: str = ""
    can_begin_again: bool = False


NOT_ELSEWHERE = Elsewhere()


class Registry:
    """The sessions that are open on this machine, cached for FRESH_SECONDS."""

    def __init__(self, config_dir: Path) -> None:
        self._config_dir = config_dir
        self._read: tuple[float, list[LiveSession]] = (-FRESH_SECONDS, [])

    def others(self, session_id: str, runs: Iterable[Run]) -> list[LiveSession]:
        """The processes that have the session open and are not our runs."""
        if time.monotonic() - self._read[0] > FRESH_SECONDS:
            self._read = time.monotonic(), list(live_sessions(self._config_dir))
        ours = {run.record.pid for run in runs}
        return [
            each for each in self._read[1] if each.session_id == session_id and each.pid not in ours
        ]


def not_of(runs: Iterable[Run], config_dir: Path) -> list[LiveSession]:
    """The processes that have sessions open on this machine now, and are not these runs."""
    ours = {run.record.pid for run in runs}
    return [each for each in live_sessions(config_dir) if each.pid not in ours]


def elsewhere(
    run: Run | None, others: list[LiveSession], *, is_behind: bool, takes_back: bool = False
) -> Elsewhere:
    """The message for a session whose newest run is `run`.

    `others` are the processes that have it open, too; `is_behind`: they have continued it, and the
    run does not know that; `takes_back`: continuing from there abandons messages written here.
    """
    if is_behind:
        known = "Also used at the computer; this Claude does not know that yet."
        price = " To begin again takes back what you said here meanwhile." if takes_back else ""
        return Elsewhere(f"{known}{price}", run is not None and run.phase is Phase.IDLE)
    if not others:
        return NOT_ELSEWHERE
    where = "in a terminal" if any(each.in_terminal for each in others) else "in another program"
    busy = ", which is at work" if any(each.status == "busy" for each in others) else ""
    return Elsewhere(f"Also open {where}{busy}. What is sent here, it does not see.")
