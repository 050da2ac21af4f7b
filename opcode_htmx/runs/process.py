"""Claude's processes: start one, find it again, signal it, and end all that it ever started.

A process is identified by pid *and* start time, so that a reused pid is never hit, and by the
mark that its run left in its environment, which Claude's tools inherit although they run in
sessions of their own. Knows nothing of what the process says.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gevent
import psutil
from gevent import subprocess

from .folder import RunFolder

log = logging.getLogger(__name__)

MARK = "OPCODE_RUN_ID"
START_TIME_TOLERANCE = 2.0
"""Seconds: the kernel counts from boot, and the clock may be set in between."""

POLL_SECONDS = 0.1
SWEEP_SECONDS = 0.5
"""How long what Claude has left behind may take to follow SIGTERM."""
SWEEP_POLL_SECONDS = 0.02
KILL_ROUNDS = 10
"""How often the sweep looks again for what was started while it killed."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    pid: int
    started_at: float
    """Seconds since the epoch."""


class ClaudeProcess:
    """One Claude, whether this server started it or found it."""

    def __init__(
        self, process: psutil.Process, run_id: str, child: subprocess.Popen[bytes] | None
    ) -> None:
        self.identity = ProcessIdentity(process.pid, process.create_time())
        # Held, because it recognises itself by the kernel's own count, whatever the clock does
        self._process = process
        self._run_id = run_id
        self._child = child

    def wait(self) -> int | None:
        """Wait for its end. The exit status (negative: a signal), None if it was not our child."""
        if self._child is not None:
            return self._child.wait()
        while self.alive():
            gevent.sleep(POLL_SECONDS)
        return None

    def alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return _running(self._process)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            _send(self._process, number)

    def family(self) -> list[psutil.Process]:
        """Every process of this run that is alive: by its mark, and by descent from those."""
        roots = [*marked(self._run_id), self._process]
        family = {root.pid: root for root in roots}
        for root in roots:
            with contextlib.suppress(psutil.Error):
                family |= {child.pid: child for child in root.children(recursive=True)}
        return [process for process in family.values() if _running(process)]


def spawn(
    argv: Sequence[str], cwd: Path, environment: Mapping[str, str], folder: RunFolder, run_id: str
) -> ClaudeProcess:
    """Start Claude on the files of `folder`. Raises OSError when it cannot be started.

    Claude itself holds its stdin open for reading and writing: no end of ours is its end.
    """
    append = os.O_WRONLY | os.O_APPEND
    stdin = os.open(folder.input_pipe, os.O_RDWR)
    stdout = os.open(folder.output, append)
    stderr = os.open(folder.errors, append)
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**environment, MARK: run_id},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    finally:
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
    try:
        return ClaudeProcess(psutil.Process(child.pid), run_id, child)
    except psutil.NoSuchProcess as error:
        words = [f"it ended at once with status {child.wait()}", *folder.error_lines(1)]
        raise ChildProcessError(errno.ECHILD, ": ".join(words)) from error


def adopt(identity: ProcessIdentity, run_id: str) -> ClaudeProcess | None:
    """The process that an earlier server started, if it is still alive and still that run's."""
    process = _find(identity)
    if process is None or _mark(process) not in (run_id, None):
        return None
    try:
        return ClaudeProcess(process, run_id, child=None)
    except psutil.NoSuchProcess:  # it has ended just now
        return None


def marked(run_id: str) -> list[psutil.Process]:
    """The processes alive that carry the mark of `run_id`."""
    own = os.getpid()
    return [
        process
        for process in psutil.process_iter()
        if process.pid != own and _mark(process) == run_id and _running(process)
    ]


def memory_of(pid: int | None) -> int:
    """What a process and all that descends from it take up, in bytes; 0 if it is gone."""
    used = 0
    with contextlib.suppress(psutil.Error):
        if pid is not None:
            root = psutil.Process(pid)
            for each in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    used += each.memory_info().rss
    return used


def sweep(run_id: str) -> None:
    """End what a run has started and left behind, wherever it has gone."""
    leftover = marked(run_id)
    signal_all(leftover, signal.SIGTERM)
    deadline = time.monotonic() + SWEEP_SECONDS
    while leftover and time.monotonic() < deadline:
        gevent.sleep(SWEEP_POLL_SECONDS)
        leftover = marked(run_id)
    for _ in range(KILL_ROUNDS):
        if not leftover:
            return
        signal_all(leftover, signal.SIGKILL)
        gevent.sleep(SWEEP_POLL_SECONDS)
        leftover = marked(run_id)
    if leftover:
        log.warning("run %s has left processes: %s", run_id, [each.pid for each in leftover])


def signal_all(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        _send(process, number)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        # psutil checks the start time once more before it signals
        process.send_signal(number)


def _find(identity: ProcessIdentity) -> psutil.Process | None:
    process = _get(identity.pid)
    return process if process and _is(process, identity) and _running(process) else None


def _get(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _is(process: psutil.Process, identity: ProcessIdentity) -> bool:
    try:
        return abs(process.create_time() - identity.started_at) <= START_TIME_TOLERANCE
    except psutil.Error:
        return False


def _running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _mark(process: psutil.Process) -> str | None:
    """The run that a process belongs to; None where its environment cannot be read."""
    try:
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):
        return None
