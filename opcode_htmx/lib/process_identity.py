"""Which process is meant: its pid *and* its start, so that a reused pid is another process.

There are two measures of the start. The kernel's own count is exact, and no clock changes it, but
it begins anew with each boot: `ProcessKey`. Files hold the Unix time, which is the kernel's count
added to the clock's idea of the boot, and the clock may be set in between: `ProcessIdentity`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

import psutil
from gevent import monkey

from opcode_htmx.lib.dataclass import dataclass

HAS_PROC = sys.platform == "linux"
START_TIME_TOLERANCE = 2.0
"""Seconds by which the same start may differ, as a Unix time."""

_STAT_BYTES = 4096
_START = 19

close_file: Callable[[int], None] = monkey.get_original("os", "close")
"""For a file in /proc, which gevent never watches: its own `os.close` asks the system twice for the
kind of each file, and hundreds are read at a time."""


class ProcessKey(NamedTuple):
    """A process, and never another one, until the next boot."""

    pid: int
    started: float
    """By the kernel's own count: ticks since the boot on Linux; elsewhere the Unix time."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process as it is recorded in a file."""

    pid: int
    started_at: float
    """Seconds since the epoch."""

    @classmethod
    def of(cls, process: psutil.Process) -> ProcessIdentity:
        """Raises psutil.Error."""
        return cls(process.pid, process.create_time())

    def find(self) -> psutil.Process | None:
        """The process, if it is alive and no other one has its pid."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) <= START_TIME_TOLERANCE
        except psutil.Error:
            return None
        return process if same and is_running(process) else None


def is_running(process: psutil.Process) -> bool:
    """Whether it is alive; a zombie is not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def start_ticks(stat: list[bytes]) -> bytes:
    """The start of a process by the kernel's count, out of its `stat_fields`."""
    return stat[_START]


def stat_fields(pid: int) -> list[bytes] | None:
    """What Linux says of a process in /proc/<pid>/stat, from the third field of proc(5) on.

    None where there is no such process, or only what is left of a dead one. Any other OSError,
    which is raised, says nothing about the process.
    """
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            stat = os.read(descriptor, _STAT_BYTES)
        finally:
            close_file(descriptor)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # the name, which may hold anything, stands in parentheses in front of them
    fields = stat.rpartition(b")")[2].split()
    return None if len(fields) < 22 or fields[0] in b"ZXx" else fields
