"""Claude's processes: start one, find it again, signal it, and end all that it has started.

A process is identified by pid *and* start time, so that a reused pid is never signalled. The
monitor finds all that it has started: by the run's tag in the environment, and by descent. Knows
nothing of what the process writes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import gevent
import psutil
from gevent import subprocess

from opcode_htmx.lib.process_identity import ProcessIdentity, is_running
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.processes import process_table
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_reaper import SWEEP_SECONDS
from opcode_htmx.runs.processes.process_table import FOLDER_MARK, MARK, Row

MONITOR = ProcessMonitor()
"""It covers all processes of this machine, so there is only one."""

POLL_SECONDS = 0.1


class ClaudeProcess:
    """One Claude, started by this server or adopted from another one."""

    def __init__(
        self,
        process: psutil.Process,
        run_id: str,
        child: subprocess.Popen[bytes] | None,
        folder: str = "",
    ) -> None:
        self.identity = ProcessIdentity.of(process)
        # kept: psutil identifies it by the kernel's own count, whatever the clock does
        self._process = process
        self._run_id = run_id
        self._child = child
        MONITOR.track(run_id, process.pid, folder)

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
        return is_running(self._process)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            _send(self._process, number)

    def family(self) -> list[Row]:
        """All live processes of this run, also those that have left its process group."""
        return MONITOR.family(self._run_id)


def spawn(
    argv: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    folder: RunFolder,
    run_id: str,
    cwd_descriptor: int | None = None,
) -> ClaudeProcess:
    """Start Claude on the files of `folder`. Raises OSError when it cannot be started.

    Claude itself holds its stdin open for reading and writing: no end of ours is its end.
    `cwd_descriptor` is the folder to start in where `cwd` may lead to another one by now.
    """

    def before_exec() -> None:
        if cwd_descriptor is not None:
            os.fchdir(cwd_descriptor)
        process_table.adopt_orphans()

    where = str(folder.path.resolve())
    append = os.O_WRONLY | os.O_APPEND
    stdin = os.open(folder.input_pipe, os.O_RDWR)
    stdout = os.open(folder.output, append)
    stderr = os.open(folder.errors, append)
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd if cwd_descriptor is None else None,
            env={**environment, "PWD": str(cwd), MARK: run_id, FOLDER_MARK: where},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=before_exec,
        )
    finally:
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
    try:
        return ClaudeProcess(psutil.Process(child.pid), run_id, child, where)
    except psutil.NoSuchProcess as error:
        words = [f"it ended at once with status {child.wait()}", *folder.error_lines(1)]
        raise ChildProcessError(errno.ECHILD, ": ".join(words)) from error


def adopt(identity: ProcessIdentity, run_id: str) -> ClaudeProcess | None:
    """The process that an earlier server started, if it is still alive and still that run's."""
    process = identity.find()
    if process is None or _tag(process) not in (run_id, None):
        return None
    try:
        return ClaudeProcess(process, run_id, child=None)
    except psutil.NoSuchProcess:  # it has just ended
        return None


def sweep(run_id: str, within: float = SWEEP_SECONDS) -> bool:
    """End all processes of a run, within so many seconds; return whether none is left."""
    return MONITOR.sweep(run_id, within)


def memory() -> dict[str, int]:
    """The memory of Claude and all that it has started, in bytes, by the run's id."""
    return MONITOR.memory()


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        # psutil checks the start time once more before it signals
        process.send_signal(number)


def _tag(process: psutil.Process) -> str | None:
    """The run id in the tag of a process; None where its environment cannot be read."""
    try:
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):
        return None
