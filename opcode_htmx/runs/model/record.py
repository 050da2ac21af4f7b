"""What is recorded about a run: who and what it is, that it is to end, and how it ended. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

RUN_ID = re.compile(r"[0-9a-f]{32}")


class Outcome(StrEnum):
    """How a run ended; exactly one of these."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class StopRequest:
    """That a run is to end, and what is then recorded about it. `at` is a Unix time."""

    outcome: Outcome
    cause: str
    at: float


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How and when a run ended. `exit_status` is None when nobody was there to see it."""

    outcome: Outcome
    at: float
    cause: str
    exit_status: int | None
    history_end: int
    """Size in bytes of Claude's history file when the run had ended."""
    stderr: tuple[str, ...] = ()
    """Its last lines; version 1 did not keep them."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Who and what a run is: the content of run.json. Times are seconds since the epoch."""

    id: str
    session_id: str
    project_path: str
    argv: tuple[str, ...]
    created_at: float
    history_start: int
    """Size in bytes of Claude's history file before the run: what stands in it comes before us."""
    pid: int | None = None
    process_started_at: float | None = None
    end: RunEnd | None = None
    config_dir: str = ""
    """The config folder that Claude works with; another one is another login, or the demo."""

    @property
    def launched(self) -> bool:
        """Whether there has been a process; without one the run waits in the queue."""
        return self.pid is not None

    def started(self, pid: int, started_at: float) -> RunRecord:
        return replace(self, pid=pid, process_started_at=started_at)

    def ended(self, end: RunEnd) -> RunRecord:
        return replace(self, end=end)
