"""The limits of a run, and their monitor: a warning first, then a stop with its cause.

Limits of time, output and memory. Knows runs, and not how they are shown.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psutil

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import (
    format_bytes,
    format_duration,
    round_to_one_digit,
)
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
MEMORY_CHECK_SECONDS = 3.0
"""Reading all processes costs more than the size of a file."""
WARN_AT = 0.8
"""Share of the output limit."""
LONGEST_STEP = 10 * CHECK_SECONDS
"""A clock that jumps farther between two checks was suspended, and Claude with it."""

CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use; 0 is no limit. Times in seconds, sizes in bytes.

    Memory is that of Claude and all that it has started; up to 1 it is a share of the machine's.
    """

    run_timeout: float = 0.0
    """How long Claude may work without an end of its turn, not counting where it waits for us."""
    idle_timeout: float = 0.0
    output: int = 0
    """Of stdout and stderr together, on disk."""
    memory_warning: float = 0.0
    memory: float = 0.0
    queued: int = 0
    """Prompts of a session that wait for Claude to take them up."""


class QueueFull(Exception):
    """Too many prompts are waiting already; the text says so."""


def check_queue(run: Run, limits: Limits) -> None:
    """Raises QueueFull where this run may have no further waiting prompt."""
    if limits.queued and len(run.state.waiting) >= limits.queued:
        raise QueueFull(
            f"{limits.queued} prompts wait already, and no more may (OPCODE_MAX_QUEUED). Wait "
            "until Claude has taken one up, or remove one."
        )


class LimitMonitor:
    """Checks the live runs; `check` is to be called about once in CHECK_SECONDS."""

    def __init__(
        self,
        live: Callable[[], Iterable[Run]],
        limits: Limits,
        memory: Callable[[], Mapping[str, int]],
        *also: Callable[[], None],
    ) -> None:
        """`memory` returns that of each run and all that it has started, in bytes, by its id.

        `also` are called with each check.
        """
        self._live = live
        self._limits = limits
        self._memory = memory
        self._also = also
        machine = machine_memory()
        self._memory_warning = _absolute(limits.memory_warning, machine)
        self._memory_limit = _absolute(limits.memory, machine)
        self._worked: dict[str, Work] = {}
        self._written: dict[str, int] = {}
        """How often the files of each run had changed when their sizes were read."""
        self._resting: dict[str, int] = {}
        """The same of the runs that were at rest when they were checked."""
        self._memory_checked_at = 0.0
        self._checked_at = 0.0

    def check(self) -> None:
        """Warn of what is near a limit, and stop what has reached one."""
        now = time.monotonic()
        passed, self._checked_at = min(now - self._checked_at, LONGEST_STEP), now
        for check in self._also:
            check()
        runs = [run for run in self._live() if run.phase is not Phase.STOPPING]
        self._worked = {run.id: self._worked.get(run.id) or Work() for run in runs}
        self._written = {run.id: self._written.get(run.id, -1) for run in runs}
        self._resting = {run.id: self._resting.get(run.id, -1) for run in runs}
        for run in runs:
            is_same = self._resting[run.id] == run.changes and run.resting
            if is_same and not self._is_idle_too_long(run):
                continue  # nothing has happened, and all else is checked when something does
            self._resting[run.id] = run.changes if run.resting else -1
            self._check_time(run, passed)
            self._check_output(run)
        if now - self._memory_checked_at >= MEMORY_CHECK_SECONDS:
            self._memory_checked_at = now
            self._check_memory(runs)

    def _check_time(self, run: Run, passed: float) -> None:
        limit, idle_limit = self._limits.run_timeout, self._limits.idle_timeout
        worked = self._worked[run.id].after(run, passed)
        if limit and worked > limit:
            cause = (
                f"Timed out: Claude worked for {format_duration(limit)} without an end of its turn "
                "(OPCODE_RUN_TIMEOUT)."
            )
            _end(run, Outcome.TIMED_OUT, cause)
        if not run.resting:
            run.idle_since = time.monotonic()
        elif self._is_idle_too_long(run):
            cause = f"Ended after {idle_limit / 60:g} idle minutes; a prompt resumes it."
            _end(run, Outcome.COMPLETED, cause)

    def _is_idle_too_long(self, run: Run) -> bool:
        limit = self._limits.idle_timeout
        return bool(limit) and time.monotonic() - run.idle_since > limit

    def _check_output(self, run: Run) -> None:
        limit = self._limits.output
        if not limit or run.changes == self._written[run.id]:
            return
        self._written[run.id] = run.changes
        written = sum(_size(path) for path in (run.folder.output, run.folder.errors))
        most = f"{format_bytes(limit)} that this server keeps of one run (OPCODE_MAX_OUTPUT)"
        if written >= limit:
            _end(run, Outcome.FAILED, f"Stopped: what Claude wrote has reached the {most}.")
        share = f"{written / limit:.0%} of the {most}; at 100% it is stopped."
        run.warn("output", f"Claude has written {share}" if written >= WARN_AT * limit else "")

    def _check_memory(self, runs: Iterable[Run]) -> None:
        if self._memory_warning or self._memory_limit:
            used = self._memory()
            for run in runs:
                self._check_memory_of(run, used.get(run.id, 0))

    def _check_memory_of(self, run: Run, used: int) -> None:
        warning, limit = self._memory_warning, self._memory_limit
        who = "Claude and what it has started use"
        if limit and used >= limit:
            cause = (
                f"Stopped: {who}d {format_bytes(used)} of memory; "
                f"{format_bytes(limit)} are allowed (OPCODE_MEMORY_LIMIT)."
            )
            _end(run, Outcome.FAILED, cause)
        then = f" At {format_bytes(limit)} they are stopped (OPCODE_MEMORY_LIMIT)." if limit else ""
        sentence = f"{who} more than {format_bytes(round_to_one_digit(used))} of memory.{then}"
        run.warn("memory", sentence if warning and used >= warning else "")


class Work:
    """How long Claude has worked in the open turn, as far as this server has watched."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._turns = -1

    def after(self, run: Run, passed: float) -> float:
        """The time, `passed` seconds after the last check."""
        if run.phase is Phase.IDLE or run.state.turns != self._turns:
            self._seconds, self._turns = 0.0, run.state.turns
        elif run.phase in (Phase.STARTING, Phase.WORKING):
            self._seconds += passed
        return self._seconds


def machine_memory() -> int:
    """The memory of this machine, or of the container, in bytes."""
    total = psutil.virtual_memory().total
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        total = min(total, int(CGROUP_MEMORY.read_text()))
    return int(total)


def available_memory() -> int:
    """The memory that can be used without swapping, of the machine or container, in bytes."""
    available = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):
        limit = int(CGROUP_MEMORY.read_text())
        used = int(CGROUP_MEMORY.with_name("memory.current").read_text())
        stat = CGROUP_MEMORY.with_name("memory.stat").read_text().split()
        cached = int(stat[stat.index("inactive_file") + 1])  # given up when memory is needed
        available = min(available, limit - used + cached)
    return int(available)


def _absolute(amount: float, machine: int) -> float:
    return amount * machine if amount <= 1 else amount


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _end(run: Run, outcome: Outcome, cause: str) -> None:
    with contextlib.suppress(RunNotLive):  # it has ended by itself
        run.stop(outcome, cause, by=SYSTEM)
