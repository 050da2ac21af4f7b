"""Run the set-up command that a person has written for the copies of a project, within limits.

Its output goes into a file, of which the end is shown. It has no terminal and no input, and what
it has started ends with it. A lock on the file says that it runs; where the server was killed, the
command goes on without the lock, and is ended before another one begins.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import gevent
from gevent import subprocess

from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.lib.formatting import format_duration
from opcode_htmx.runs.processes.claude_process import sweep
from opcode_htmx.runs.processes.process_table import MARK

MOST_BYTES = 4 * 1024 * 1024
"""The limit for the output; the rest is read and left out."""
SHOWN_BYTES = 64 * 1024
_CHUNK = 64 * 1024
LOOK_SECONDS = 0.25
"""How often it is looked whether the command is to be stopped."""

OUTPUT = StateFolder(
    "worktree_setup",
    "what set-up commands of new copies have printed",
    "as long as the session",
    per_session=True,
    with_session=True,
)


class SetupFailed(Exception):
    """The command failed; the text says how."""


class SetupStopped(Exception):
    """A person has stopped the command."""


def _never() -> bool:
    return False


def run(
    command: str,
    folder: Path,
    environment: Mapping[str, str],
    output: Path,
    seconds: float,
    is_stopped: Callable[[], bool] = _never,
) -> None:
    """Run it in a folder, and write what it prints to `output`.

    Raises SetupFailed, SetupStopped, OSError.
    """
    mark = mark_of(output)
    atomic_files.make_folder(output.parent)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if not file_locks.attempt(descriptor):
        os.close(descriptor)
        raise SetupFailed("It is running already.")
    sweep(mark)
    os.ftruncate(descriptor, 0)
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env={**environment, "PWD": str(folder), "GIT_TERMINAL_PROMPT": "0", MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        os.close(descriptor)
        raise SetupFailed(f"It could not be started: {error.strerror or error}.") from error
    writer = gevent.spawn(_write, child, descriptor)
    try:
        status = _end_of(child, seconds, is_stopped)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        sweep(mark)
        writer.join(1.0)
        writer.kill()
        os.close(descriptor)
        if child.stdout:
            child.stdout.close()
    if status:
        raise SetupFailed(f"It ended with status {status}.")


def end_leftover(output: Path) -> None:
    """End a command that has outlived its server; not one that a worker is waiting for."""
    descriptor = file_locks.take_existing(output)
    if descriptor is not None:
        try:
            sweep(mark_of(output))
        finally:
            os.close(descriptor)


def mark_of(output: Path) -> str:
    """What names the processes of a command: the same for the one that comes after a crash."""
    return hashlib.sha256(os.fsencode(output.absolute())).hexdigest()[:32]


def _end_of(child: subprocess.Popen[bytes], seconds: float, is_stopped: Callable[[], bool]) -> int:
    """Wait for its status. Raises SetupFailed when the time is over, SetupStopped."""
    deadline = time.monotonic() + seconds
    while not is_stopped():
        left = deadline - time.monotonic()
        if left <= 0:
            limit = format_duration(seconds)
            raise SetupFailed(f"It took longer than {limit}, and was ended.")
        with contextlib.suppress(subprocess.TimeoutExpired):
            status: int = child.wait(timeout=min(left, LOOK_SECONDS))
            return status
    raise SetupStopped


def _write(child: subprocess.Popen[bytes], descriptor: int) -> None:
    left = MOST_BYTES
    while child.stdout and (chunk := child.stdout.read1(_CHUNK)):  # type: ignore[attr-defined]
        os.write(descriptor, chunk[:left])
        left = max(0, left - len(chunk))


def is_running(output: Path) -> bool:
    """Whether a command writes to a file now, in any worker."""
    return file_locks.is_held(output)


def shown(output: Path) -> str:
    """The end of what a command has printed."""
    try:
        with output.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - SHOWN_BYTES))
            text = file.read(SHOWN_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    return text if size <= SHOWN_BYTES else text.partition("\n")[2]
