"""Run a subcommand of Claude's to its end, such as `plugin list`, while other greenlets run.

It has no terminal, and nothing on stdin but what it is given, so it cannot ask. What it has started
ends with it.
"""

from __future__ import annotations

import uuid
from functools import partial
from pathlib import Path

from opcode_htmx.engines.base import CommandLine
from opcode_htmx.lib.concurrency import programs
from opcode_htmx.lib.concurrency.programs import TookTooLong
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.processes.claude_process import sweep
from opcode_htmx.runs.processes.process_table import MARK
from opcode_htmx.runs.queries.slots import Slot

SECONDS = 30.0
"""Most answer within two; a cold disk, or a busy machine, takes several more."""
MOST_BYTES = 16 * 1024 * 1024
"""The limit for each of its outputs; the rest is read and left out."""
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
        ended = programs.run(
            command.argv,
            {**command.environment, **_NO_QUESTIONS, MARK: mark},
            folder=folder,
            stdin=given,
            seconds=seconds,
            most_bytes=most_bytes,
            clean_up=partial(sweep, mark),
        )
    except OSError as error:
        reason = error.strerror or error
        raise SubcommandFailed(f"Claude could not be started: {reason}.") from error
    except TookTooLong:
        raise SubcommandFailed(f"Claude did not finish within {seconds:g} seconds.") from None
    text, errors = (each.decode("utf-8", "replace") for each in (ended.output, ended.errors))
    return Output(ended.status, text, errors)
