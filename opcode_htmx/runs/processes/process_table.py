"""The processes of this machine: what the kernel tells of each, and signals that hit only it.

A process is its pid *and* the start that the kernel counted for it, which no clock changes: a pid
that is used again is another process. Knows nothing of runs but the mark that they leave in the
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

from opcode_htmx.lib.process_identity import HAS_PROC, ProcessKey, start_ticks, stat_fields

MARK = "OPCODE_RUN_ID"
FOLDER_MARK = "OPCODE_RUN_FOLDER"

_SETTLED_SECONDS = 2.0
"""Between fork and exec a process shows its parent's environment; at this age it has its own."""
_EXEC_SECONDS = 0.2
"""So long after its start may exec take on a busy machine."""
_PROC = "/proc"
_LIBC = ctypes.CDLL(None) if HAS_PROC else None  # loaded here, not between fork and exec
_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h


class RunTag(NamedTuple):
    """What a run has left in the environment of all that it started."""

    run_id: str
    folder: str
    """The run's folder, which tells whose run it is; empty where nobody has said so."""


class Row(NamedTuple):
    """A process that is alive. Times in seconds."""

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
    """The process with this pid; None if there is none, or only what is left of a dead one."""
    return _from_proc(pid) if HAS_PROC else _from_psutil(pid)


def key_of(pid: int) -> ProcessKey | None:
    row = read(pid)
    return row.key if row else None


def is_alive(key: ProcessKey) -> bool:
    return key_of(key.pid) == key


def send(key: ProcessKey, number: signal.Signals) -> bool:
    """Signal a process; whether it was there and may be signalled. Never hits another one."""
    handle = None
    if hasattr(os, "pidfd_open"):
        try:
            handle = os.pidfd_open(key.pid)
        except ProcessLookupError:
            return False
        except OSError:  # no descriptor left, say
            handle = None
    try:
        # what has this pid now is what the handle holds, and stays so whatever happens to the pid
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
    """When a process was started, as a Unix time."""
    return psutil.boot_time() + key.started / _TICKS if HAS_PROC else key.started


def command_line(pid: int) -> str:
    """What a process was started as, on one line; its name where that cannot be read."""
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        return " ".join(" ".join(process.cmdline()).split()) or process.name()
    return ""


def adopt_orphans() -> None:
    """Make this process the parent of all below it whose own parent ends, where that is possible.

    Called between fork and exec: what has gone away from Claude is still found by descent then,
    even if it has cleaned its environment.
    """
    if _LIBC is not None:
        _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class RunTagCache:
    """The marks of processes, read once for each: an environment is read slowly, and stays."""

    def __init__(self, environment: Callable[[int], bytes | None] | None = None) -> None:
        self._read = environment or _environment
        self._known: dict[ProcessKey, RunTag | None] = {}
        self._young: dict[ProcessKey, RunTag | None] = {}
        self._blank: set[ProcessKey] = set()

    def of(self, key: ProcessKey) -> RunTag | None:
        """The mark that a process carries, or has carried: one that threw it away stays ours."""
        if key in self._known:
            return self._known[key]
        settled = age(key) >= _SETTLED_SECONDS  # looked at first: what is read is at least that old
        environment = self._read(key.pid)
        mark = _mark_in(environment) or self._young.get(key)
        self._blank.discard(key)
        if environment == b"" and not settled:
            self._blank.add(key)
        if settled:
            self._young.pop(key, None)
            self._known[key] = mark
        else:
            self._young[key] = mark
        return mark

    def undecided(self) -> set[ProcessKey]:
        """Those that have an empty environment, and have it so shortly that it may yet be filled.

        In the middle of exec a process has none; what carries a mark shows it a moment later.
        """
        return {key for key in self._blank if age(key) < _EXEC_SECONDS}

    def forget(self, gone: Iterable[ProcessKey]) -> None:
        for key in gone:
            self._known.pop(key, None)
            self._young.pop(key, None)
            self._blank.discard(key)

    def keys(self) -> set[ProcessKey]:
        return {*self._known, *self._young}


def _mark_in(environment: bytes | None) -> RunTag | None:
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
    """None where it may not be read: of another user, or of one who has become another."""
    try:
        if HAS_PROC:
            with open(f"{_PROC}/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123
                return file.read()
        pairs = psutil.Process(pid).environ().items()
        return b"\0".join(os.fsencode(f"{name}={value}") for name, value in pairs)
    except (psutil.Error, FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def age(key: ProcessKey) -> float:
    """For how long a process has been there."""
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
