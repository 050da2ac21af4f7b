"""The record of a run: its identity, a stop request, and its end. Pure."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from enum import StrEnum

from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.coerce import LATEST
from opcode_htmx.lib.dataclass import dataclass

RUN_ID = re.compile(r"[0-9a-f]{32}")
STOPPED = "Stopped by you."
"""The cause where a person has stopped a run."""
TAKEN_BACK = "Ended, because its prompt was taken back."
"""The cause where a person has taken back the only prompt of a run before it was started."""


class Outcome(StrEnum):
    """How a run ended; exactly one of these."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A request to stop a run, and what is then recorded about its end. `at` is a Unix time."""

    outcome: Outcome
    cause: str
    at: float


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How and when a run ended. `exit_status` is None where no server waited for the process."""

    outcome: Outcome
    at: float
    cause: str
    exit_status: int | None
    history_end: int
    """Size in bytes of Claude's history file when the run had ended."""
    stderr: tuple[str, ...] = ()
    """Its last lines; version 1 has none."""

    @property
    def is_by_others(self) -> bool:
        """Whether it was stopped, but not by an act of a person, who has seen nothing of it."""
        return self.outcome is Outcome.CANCELLED and self.cause not in (STOPPED, TAKEN_BACK)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The identity of a run: the content of run.json. Times are seconds since the epoch."""

    id: str
    session_id: str
    project_path: str
    argv: tuple[str, ...]
    created_at: float
    history_start: int
    """Size in bytes of Claude's history file before the run: what is in it is older."""
    pid: int | None = None
    process_started_at: float | None = None
    end: RunEnd | None = None
    config_dir: str = ""
    """Claude's config folder; another one is another login, or the demo."""

    @property
    def launched(self) -> bool:
        """Whether there has been a process; without one the run is queued."""
        return self.pid is not None

    def check(self) -> None:
        """Raises ValueError for what no run has: the record may be damaged."""
        if not RUN_ID.fullmatch(self.id) or not SESSION_ID.fullmatch(self.session_id):
            raise ValueError("the id of the run or of its session is none")
        for path in (self.project_path, self.config_dir):
            if b"\0" in os.fsencode(path):
                raise ValueError("a path has a NUL")
        times = (self.created_at, self.process_started_at or 0.0, self.end.at if self.end else 0.0)
        if max(times) > LATEST:
            raise ValueError("a time is too late")

    def started(self, pid: int, started_at: float) -> RunRecord:
        return replace(self, pid=pid, process_started_at=started_at)

    def ended(self, end: RunEnd) -> RunRecord:
        return replace(self, end=end)
