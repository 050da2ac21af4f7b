"""The limits of a run, and their monitor: a warning first, then a stop with its cause.

Limits of time, output and memory. Knows runs, and not how they are shown.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import gevent
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
    """Checks the live runs about once a second, in a greenlet of its own."""

    def __init__(
        self,
        live: Callable[[], Iterable[Run]],
        limits: Limits,
        memory_of: Callable[[Run], int],
        *also: Callable[[], None],
    ) -> None:
        """`memory_of` is the memory of a run and all that it has started, in bytes.

        `also` are called with each check.
        """
        self._live = live
        self._limits = limits
        self._memory_of = memory_of
        self._also = also
        machine = machine_memory()
        self._memory_warning = _absolute(limits.memory_warning, machine)
        self._memory_limit = _absolute(limits.memory, machine)
        self._worked: dict[str, Work] = {}
        self._memory_checked_at = 0.0
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Check the runs from now on."""
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        if self._greenlet:
            self._greenlet.kill()

    def _run(self) -> None:
        before = time.monotonic()
        while True:
            gevent.sleep(CHECK_SECONDS)
            now = time.monotonic()
            try:
                self._check(now, min(now - before, LONGEST_STEP))
            except Exception:  # the next round tries again
                log.exception("could not check the limits")
            before = now

    def _check(self, now: float, passed: float) -> None:
        for check in self._also:
            check()
        memory = now - self._memory_checked_at >= MEMORY_CHECK_SECONDS
        if memory:
            self._memory_checked_at = now
        runs = [run for run in self._live() if run.phase is not Phase.STOPPING]
        self._worked = {run.id: self._worked.get(run.id) or Work() for run in runs}
        for run in runs:
            self._check_time(run, passed)
            self._check_output(run)
            if memory:
                self._check_memory(run)
                gevent.sleep(0)  # reading all processes takes some milliseconds

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
            run.idle_since = time.time()
        elif idle_limit and time.time() - run.idle_since > idle_limit:
            cause = f"Ended after {idle_limit / 60:g} idle minutes; a prompt resumes it."
            _end(run, Outcome.COMPLETED, cause)

    def _check_output(self, run: Run) -> None:
        limit = self._limits.output
        if not limit:
            return
        written = sum(_size(path) for path in (run.folder.output, run.folder.errors))
        most = f"{format_bytes(limit)} that this server keeps of one run (OPCODE_MAX_OUTPUT)"
        if written >= limit:
            _end(run, Outcome.FAILED, f"Stopped: what Claude wrote has reached the {most}.")
        share = f"{written / limit:.0%} of the {most}; at 100% it is stopped."
        _warn(run, "output", f"Claude has written {share}" if written >= WARN_AT * limit else "")

    def _check_memory(self, run: Run) -> None:
        warning, limit = self._memory_warning, self._memory_limit
        if not warning and not limit:
            return
        used = self._memory_of(run)
        who = "Claude and what it has started use"
        if limit and used >= limit:
            cause = (
                f"Stopped: {who}d {format_bytes(used)} of memory; "
                f"{format_bytes(limit)} are allowed (OPCODE_MEMORY_LIMIT)."
            )
            _end(run, Outcome.FAILED, cause)
        then = f" At {format_bytes(limit)} they are stopped (OPCODE_MEMORY_LIMIT)." if limit else ""
        sentence = f"{who} more than {format_bytes(round_to_one_digit(used))} of memory.{then}"
        _warn(run, "memory", sentence if warning and used >= warning else "")


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


def _warn(run: Run, about: str, sentence: str) -> None:
    """Show a warning on the pages; an empty sentence removes it."""
    if run.warnings.get(about, "") != sentence:
        run.warnings = {**run.warnings, about: sentence}
        run.changed.notify()
