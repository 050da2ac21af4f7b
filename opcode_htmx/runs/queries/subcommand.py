"""Run a subcommand of Claude's to its end, such as `plugin list`, while other greenlets run.

It has no terminal, and nothing on stdin but what it is given, so it cannot ask. What it has started
ends with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from pathlib import Path
from typing import IO

import gevent
from gevent import subprocess

from opcode_htmx.engines.base import CommandLine
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.processes.claude_process import sweep
from opcode_htmx.runs.processes.process_table import MARK
from opcode_htmx.runs.queries.slots import Slot

SECONDS = 30.0
"""Most answer within two; a cold disk, or a busy machine, takes several more."""
MOST_BYTES = 16 * 1024 * 1024
"""The limit for each of its outputs; the rest is read and left out."""
_CHUNK = 64 * 1024
_NO_QUESTIONS = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "NO_COLOR": "1"}


class SubcommandFailed(Exception):
    """A subcommand could not be started or did not end in time; the text says which."""


@dataclass(frozen=True, slots=True)
class Output:
    """What it has printed, and its exit status (negative: a signal)."""

    status: int
    text: str
    errors: str


def run(
    command: CommandLine,
    folder: Path,
    seconds: float = SECONDS,
    most_bytes: int = MOST_BYTES,
    stdin: str = "",
) -> Output:
    """Run it in a folder; it is killed after so many seconds. Raises SubcommandFailed.

    Secrets belong into `stdin`: other users of the computer can see arguments.
    """
    try:
        slot = Slot()
    except TimeoutError as error:
        raise SubcommandFailed(f"Claude could not be started: {error}.") from None
    try:
        return _run(command, folder, seconds, most_bytes, stdin.encode())
    finally:
        slot.give_back()


def _run(
    command: CommandLine, folder: Path, seconds: float, most_bytes: int, given: bytes
) -> Output:
    mark = uuid.uuid4().hex
    try:
        child = subprocess.Popen(
            command.argv,
            cwd=folder,
            env={**command.environment, **_NO_QUESTIONS, MARK: mark},
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        reason = error.strerror or error
        raise SubcommandFailed(f"Claude could not be started: {reason}.") from error
    streams: list[IO[bytes]] = [each for each in (child.stdout, child.stderr) if each]
    readers = [gevent.spawn(_read, each, most_bytes) for each in streams]
    writer = gevent.spawn(_write, child.stdin, given)
    try:
        with gevent.Timeout(seconds):
            status: int = child.wait()
            gevent.joinall(readers)
    except gevent.Timeout:
        raise SubcommandFailed(f"Claude did not finish within {seconds:g} seconds.") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        sweep(mark)
        gevent.killall([*readers, writer])
        for stream in streams:
            stream.close()
    text, errors = (each.value for each in readers)
    return Output(status, text or "", errors or "")


def _write(stream: IO[bytes] | None, given: bytes) -> None:
    if stream:
        with contextlib.suppress(OSError):  # it need not read
            stream.write(given)
            stream.flush()
        with contextlib.suppress(OSError):
            stream.close()


def _read(stream: IO[bytes], most_bytes: int) -> str:
    kept = bytearray()
    while chunk := stream.read1(_CHUNK) if hasattr(stream, "read1") else stream.read(_CHUNK):
        kept += chunk[: most_bytes - len(kept)]
    return kept.decode("utf-8", "replace")
