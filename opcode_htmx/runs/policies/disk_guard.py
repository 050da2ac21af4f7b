"""Room on the disk for the runs: none begins where there is little, and those that live are spared.

Claude writes to its output file by itself. On a full disk its lines are cut or lost, and it goes on
as if nothing were: so it is paused before, and goes on by itself when there is room again. What its
tools do is not held up; to fill the rest of the disk harms nobody who is paused.
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
"""Of the least room: below it, Claude is paused."""
GO_ON_ABOVE = 3 / 8
RESERVE = 1 / 8
GIVE_UP_BELOW = 1 / 16
"""Below it the reserve is given up: so much is there for Claude's last lines and our own files."""


class DiskGuard:
    """The room where the runs are. `check` is to be called about once a second."""

    def __init__(self, folder: Path, least: int, live: Callable[[], Iterable[Run]]) -> None:
        """`least` bytes are to be free for a run to begin; 0: it does not matter."""
        self._folder = folder
        self._reserve = folder / "reserve"
        self._least = least
        self._live = live
        self._paused = False
        self._said = ""
        self._look_after_paused = True
        """An earlier server may have paused what now lives."""

    @property
    def message(self) -> str:
        """What a person is told where there is too little room; else empty."""
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
        """Why no run can begin just now; empty if it can."""
        return f"Claude was not started, for want of room. {self._needed}" if self.message else ""

    @property
    def _needed(self) -> str:
        return f"To begin, a run needs {format_bytes(self._least)} on the disk (OPCODE_MIN_FREE)."

    def check(self) -> None:
        """Make or give up the reserve, pause or let go on, and tell the pages."""
        if not self._least:
            return
        free = self._free()
        self._hold_reserve(free)
        if free < PAUSE_BELOW * self._least and not self._paused:
            log.warning("The disk is nearly full (%s left): Claude is paused.", format_bytes(free))
            self._paused = True
        elif free >= GO_ON_ABOVE * self._least and self._paused:
            log.warning("There is room on the disk again: Claude goes on.")
            self._paused, self._look_after_paused = False, True
        self._pause_or_go_on()
        if self.message != self._said:
            self._said = self.message
            for run in self._live():
                run.changed.notify()

    def _pause_or_go_on(self) -> None:
        for run in self._live():
            if self._paused and run.phase is not Phase.STOPPING:
                _pause(run)
            elif self._paused or self._look_after_paused:
                _let_go_on(run)  # a process that is paused does not hear that it is to end
        self._look_after_paused = False

    def _hold_reserve(self, free: int) -> None:
        size = int(RESERVE * self._least)
        try:
            if free < GIVE_UP_BELOW * self._least:
                self._reserve.unlink(missing_ok=True)
            elif free - size >= self._least and not self._reserve.exists():
                with self._reserve.open("xb") as file:
                    os.fchmod(file.fileno(), 0o600)
                    os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:  # some file systems cannot set room aside
            log.info("No room is held in reserve: %s", error)

    def _free(self) -> int:
        try:
            return free_bytes(self._folder)
        except OSError:  # then it is no want of room that is to be told
            return self._least


def _pause(run: Run) -> None:
    for claude in _claude(run):
        if claude.status() != psutil.STATUS_STOPPED:
            claude.suspend()


def _let_go_on(run: Run) -> None:
    for claude in _claude(run):
        if claude.status() == psutil.STATUS_STOPPED:
            claude.resume()


def _claude(run: Run) -> Iterable[psutil.Process]:
    """The run's own process, none if it is gone. What it has started is left alone."""
    pid, started_at = run.record.pid, run.record.process_started_at
    if pid is None or started_at is None:
        return
    with contextlib.suppress(psutil.Error):
        if found := ProcessIdentity(pid, started_at).find():
            yield found
