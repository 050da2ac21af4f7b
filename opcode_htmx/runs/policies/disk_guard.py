"""Free disk space for the runs: with too little of it, no run starts and live ones are paused.

Claude writes to its output file by itself. On a full disk its lines are cut or lost, and it goes on
as if nothing had happened: so it is paused before, and resumed when there is space again. Its tools
are not paused; if they fill the rest of the disk, that harms no paused Claude.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from opcode_htmx.lib.files.disk_space import free_bytes
from opcode_htmx.lib.formatting import format_bytes, round_to_one_digit
from opcode_htmx.lib.process_identity import ProcessIdentity
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase

log = logging.getLogger(__name__)

PAUSE_BELOW = 1 / 4
"""Shares of the least space: below this one, Claude is paused."""
RESUME_ABOVE = 3 / 8
RESERVE = 1 / 8
RELEASE_BELOW = 1 / 16
"""Below it the reserve is released, for Claude's last lines and our own files."""


class DiskGuard:
    """Watches the disk of the runs. `check` is to be called about once a second."""

    def __init__(self, folder: Path, least: int, live: Callable[[], Iterable[Run]]) -> None:
        """`least` bytes have to be free for a run to start; 0: no check."""
        self._folder = folder
        self._reserve = folder / "reserve"
        self._least = least
        self._live = live
        self._paused = False
        self._notified = ""
        self._resume_paused = True
        """An earlier server may have paused runs that are live now."""

    @property
    def message(self) -> str:
        """The sentence for the person where there is too little space; else empty."""
        free = self._free()
        if free >= self._least:
            return ""
        left = format_bytes(round_to_one_digit(free))
        words = f"The server's disk is nearly full: about {left} are left"
        if self._paused:
            return (
                f"{words}. What runs is paused, so that nothing of it is lost, and goes on by "
                "itself once there is room."
            )
        return f"{words}. {self._needed}"

    @property
    def start_refusal(self) -> str:
        """Why no run can start now; empty if it can."""
        return f"Claude was not started, for want of room. {self._needed}" if self.message else ""

    @property
    def _needed(self) -> str:
        return f"To begin, a run needs {format_bytes(self._least)} on the disk (OPCODE_MIN_FREE)."

    def check(self) -> None:
        """Make or release the reserve, pause or resume the runs, and notify the pages."""
        if not self._least:
            return
        free = self._free()
        self._keep_reserve(free)
        if free < PAUSE_BELOW * self._least and not self._paused:
            log.warning("Disk nearly full (%s left): pausing Claude.", format_bytes(free))
            self._paused = True
        elif free >= RESUME_ABOVE * self._least and self._paused:
            log.warning("Disk space available again: resuming Claude.")
            self._paused, self._resume_paused = False, True
        self._pause_or_resume()
        if self.message != self._notified:
            self._notified = self.message
            for run in self._live():
                run.changed.notify()

    def _pause_or_resume(self) -> None:
        if not (self._paused or self._resume_paused):
            return
        for run in self._live():
            if self._paused and run.phase is not Phase.STOPPING:
                _pause(run)
            elif self._paused or self._resume_paused:
                _resume(run)  # a paused process does not react to SIGTERM
        self._resume_paused = False

    def _keep_reserve(self, free: int) -> None:
        size = int(RESERVE * self._least)
        try:
            if free < RELEASE_BELOW * self._least:
                self._reserve.unlink(missing_ok=True)
            elif free - size >= self._least and not self._reserve.exists():
                with self._reserve.open("xb") as file:
                    os.fchmod(file.fileno(), 0o600)
                    os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:  # some file systems cannot reserve space
            log.info("could not reserve disk space: %s", error)

    def _free(self) -> int:
        try:
            return free_bytes(self._folder)
        except OSError:  # then it is not about a lack of space
            return self._least


def _pause(run: Run) -> None:
    for process in _processes(run):
        if process.status() != psutil.STATUS_STOPPED:
            process.suspend()


def _resume(run: Run) -> None:
    for process in _processes(run):
        if process.status() == psutil.STATUS_STOPPED:
            process.resume()


def _processes(run: Run) -> Iterable[psutil.Process]:
    """The run's own process, none if it is gone; without the processes it has started."""
    pid, started_at = run.record.pid, run.record.process_started_at
    if pid is None or started_at is None:
        return
    with contextlib.suppress(psutil.Error):
        if found := ProcessIdentity(pid, started_at).find():
            yield found
