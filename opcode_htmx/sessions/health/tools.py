"""Ask a tool of the system, such as `timedatectl`, within a time limit. For greenlets."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Mapping

from gevent import subprocess

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
        child = subprocess.Popen(
            [program, *argv[1:]],
            env={"PATH": PATH, "LC_ALL": "C", **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError:
        return None
    with child:
        try:
            text, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return Output(child.returncode, text[:_MOST].decode("utf-8", "replace").strip())
