"""Ask a tool of the system, such as `timedatectl`, within a time limit. For greenlets."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from opcode_htmx.lib.concurrency import programs
from opcode_htmx.lib.concurrency.programs import TookTooLong
from opcode_htmx.lib.dataclass import dataclass

PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin:/opt/homebrew/bin"
"""Not the person's own PATH: a tool of the system is asked."""
SECONDS = 3.0
_MOST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool has printed, errors included, and its exit status."""

    status: int
    text: str


def path_of(name: str) -> str | None:
    """Where a tool is; None if this system does not have it."""
    return shutil.which(name, path=PATH)


def ask(
    *argv: str, seconds: float = SECONDS, more: Mapping[str, str] | None = None
) -> Output | None:
    """What a tool says; None where it is missing, cannot be started, or takes too long.

    `more` are environment variables beside PATH and a language that can be parsed.
    """
    program = path_of(argv[0])
    if program is None:
        return None
    try:
        ended = programs.run(
            [program, *argv[1:]],
            {"PATH": PATH, "LC_ALL": "C", **(more or {})},
            seconds=seconds,
            most_bytes=_MOST,
            joins_errors=True,
        )
    except (OSError, TookTooLong):
        return None
    return Output(ended.status, ended.output.decode("utf-8", "replace").strip())
