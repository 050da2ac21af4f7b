"""The processes of this machine: their kernel data, and signals that reach exactly one process.

A process is identified by its pid *and* its start time as the kernel counts it, which no change of
the clock affects: a reused pid is another process. Knows nothing of runs but their tag in the
environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import psutil

from opcode_htmx.lib.process_identity import (
    HAS_PROC,
    ProcessKey,
    close_file,
    start_ticks,
    stat_fields,
)

MARK = "OPCODE_RUN_ID"
FOLDER_MARK = "OPCODE_RUN_FOLDER"

_SETTLED_SECONDS = 2.0
"""Between fork and exec a process shows its parent's environment; at this age it has its own."""
_EXEC_SECONDS = 0.2
"""How long after its start a process may be in exec on a busy machine."""
_PROC = "/proc"
_READ_BYTES = 32 * 1024
_LIBC = ctypes.CDLL(None) if HAS_PROC else None  # loaded here, not between fork and exec
_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h


class RunTag(NamedTuple):
    """The tag of a run in the environment of all processes that it has started."""

    run_id: str
    folder: str
    """The run's folder, which identifies its server; empty where the tag does not name it."""


class Row(NamedTuple):
    """A live process. Times in seconds."""

    pid: int
    started: float
    parent: int
    group: int
    memory_bytes: int
    cpu_seconds: float

    @property
    def key(self) -> ProcessKey:
        return ProcessKey(self.pid, self.started)


def pids() -> list[int]:
    if not HAS_PROC:
        return psutil.pids()
    return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]  # noqa: PTH208


def read(pid: int) -> Row | None:
    """The process with this pid; None if there is none, or only a zombie."""
    return _from_proc(pid) if HAS_PROC else _from_psutil(pid)


def key_of(pid: int) -> ProcessKey | None:
    row = read(pid)
    return row.key if row else None


def is_alive(key: ProcessKey) -> bool:
    return key_of(key.pid) == key


def send(key: ProcessKey, number: signal.Signals) -> bool:
    """Signal exactly this process; return whether it was there and may be signalled."""
    handle = None
    if hasattr(os, "pidfd_open"):
        try:
            handle = os.pidfd_open(key.pid)
        except ProcessLookupError:
            return False
        except OSError:  # no file descriptor left, for example
            handle = None
    try:
        # the handle refers to the process with this pid now, whatever happens to the pid later
        if not is_alive(key):
            return False
        if handle is None:
            os.kill(key.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def started_at(key: ProcessKey) -> float:
    """The start time of a process, as a Unix time."""
    return psutil.boot_time() + key.started / _TICKS if HAS_PROC else key.started


def command_line(pid: int) -> str:
    """The command line of a process, on one line; its name where that cannot be read."""
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        return " ".join(" ".join(process.cmdline()).split()) or process.name()
    return ""


def adopt_orphans() -> None:
    """Make this process the subreaper of its descendants, where that is possible.

    Called between fork and exec: daemons of Claude are still found by descent then, even if they
    have cleaned their environment.
    """
    if _LIBC is not None:
        _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class RunTagCache:
    """The tags of processes, read once for each: reading an environment is slow, and it stays."""

    def __init__(self, environment: Callable[[int], bytes | None] | None = None) -> None:
        self._read = environment or _environment
        self._known: dict[ProcessKey, RunTag | None] = {}
        self._young: dict[ProcessKey, RunTag | None] = {}
        self._blank: set[ProcessKey] = set()

    def of(self, key: ProcessKey) -> RunTag | None:
        """The tag that a process has or had: one that has removed it still belongs to the run."""
        if key in self._known:
            return self._known[key]
        # checked before it is read: the environment is at least that old
        settled = age(key) >= _SETTLED_SECONDS
        environment = self._read(key.pid)
        tag = _tag_in(environment) or self._young.get(key)
        self._blank.discard(key)
        if environment == b"" and not settled:
            self._blank.add(key)
        if settled:
            self._young.pop(key, None)
            self._known[key] = tag
        else:
            self._young[key] = tag
        return tag

    def undecided(self) -> set[ProcessKey]:
        """Processes with an empty environment that are so young that it may yet be filled.

        In the middle of exec a process has none; a tag appears a moment later.
        """
        return {key for key in self._blank if age(key) < _EXEC_SECONDS}

    def young(self) -> list[ProcessKey]:
        """Processes whose environment may still be that of their parent."""
        return list(self._young)

    def forget(self, gone: Iterable[ProcessKey]) -> None:
        for key in gone:
            self._known.pop(key, None)
            self._young.pop(key, None)
            self._blank.discard(key)

    def keys(self) -> set[ProcessKey]:
        return {*self._known, *self._young}


def _tag_in(environment: bytes | None) -> RunTag | None:
    if not environment or MARK.encode() not in environment:
        return None
    found = {}
    for part in environment.split(b"\0"):
        name, _, value = part.partition(b"=")
        if name in (MARK.encode(), FOLDER_MARK.encode()):
            found[name.decode()] = os.fsdecode(value)
    run_id = found.get(MARK, "")
    return RunTag(run_id, found.get(FOLDER_MARK, "")) if run_id else None


# --- Linux ----------------------------------------------------------------------------------

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _from_proc(pid: int) -> Row | None:
    fields = stat_fields(pid)
    if fields is None:
        return None
    return Row(
        pid,
        float(start_ticks(fields)),
        int(fields[1]),
        int(fields[2]),
        int(fields[21]) * _PAGE,
        (int(fields[11]) + int(fields[12])) / _TICKS,
    )


def _environment(pid: int) -> bytes | None:
    """None where it may not be read: of a process of another user, or that changed its user."""
    try:
        if HAS_PROC:
            return _content(f"{_PROC}/{pid}/environ")
        pairs = psutil.Process(pid).environ().items()
        return b"\0".join(os.fsencode(f"{name}={value}") for name, value in pairs)
    except (psutil.Error, FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def _content(path: str) -> bytes:
    """Of a file in /proc, with a third of the system calls of a file object. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(descriptor, _READ_BYTES):
            parts.append(part)
        return b"".join(parts)
    finally:
        close_file(descriptor)


def age(key: ProcessKey) -> float:
    """The age of a process in seconds."""
    if HAS_PROC:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - key.started / _TICKS
    return time.time() - key.started


# --- elsewhere ------------------------------------------------------------------------------


def _from_psutil(pid: int) -> Row | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            times = process.cpu_times()
            return Row(
                pid,
                process.create_time(),
                process.ppid(),
                os.getpgid(pid),
                process.memory_info().rss,
                times.user + times.system,
            )
    except (psutil.Error, ProcessLookupError, PermissionError):
        return None
