"""Start the host of a terminal, and end one that does not obey."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from gevent import subprocess

from opcode_htmx.lib import resources
from opcode_htmx.lib.process_identity import ProcessIdentity
from opcode_htmx.lib.pty.host import LOG
from opcode_htmx.lib.pty.messages import CONTROL, INPUT
from opcode_htmx.sessions.terminals.model import CannotStartTerminal

MODULE = "opcode_htmx.lib.pty.host"
START_SECONDS = 15.0

_OF_OTHER_TERMINALS = ("COLUMNS", "LINES", "STY", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX")
_UTF8 = ("UTF-8", "UTF8", "utf-8", "utf8")


def environment_of(base: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment of a program in a terminal, which writes UTF-8 and colours."""
    kept = {name: value for name, value in base.items() if name not in _OF_OTHER_TERMINALS}
    locale = kept.get("LC_ALL") or kept.get("LC_CTYPE") or kept.get("LANG") or ""
    if not locale.endswith(_UTF8):
        kept.pop("LC_ALL", None)
        kept["LC_CTYPE"] = "UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    return {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PWD": str(folder)}


def start_host(
    state: Path,
    argv: Sequence[str],
    environment: Mapping[str, str],
    folder: int,
    size: tuple[int, int],
) -> tuple[ProcessIdentity | None, ProcessIdentity | None]:
    """Start a host with its files in `state`; gives the host and its program.

    One that has ended already is None. The program works in the folder with the descriptor
    `folder`. Raises CannotStartTerminal, OSError.
    """
    for name in (INPUT, CONTROL):
        os.mkfifo(state / name, 0o600)
    columns, rows = size
    order = {"argv": argv, "environment": dict(environment), "columns": columns, "rows": rows}
    host = subprocess.Popen(
        [sys.executable, "-m", MODULE, str(state), str(folder)],
        cwd=resources.IMPORT_FOLDER,
        env={"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        pass_fds=[folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        # surrogates: environments are bytes
        text = json.dumps(order).encode()
        answer, errors = host.communicate(text, timeout=START_SECONDS)
    except subprocess.TimeoutExpired:
        host.kill()
        raise CannotStartTerminal("The terminal did not start in time. Try again.") from None
    try:
        pids = json.loads(answer)
        return _identity(pids["host"]), _identity(pids["program"])
    except (ValueError, KeyError):
        raise CannotStartTerminal(
            f"The terminal could not be started: {_reason(state, errors)}"
        ) from None


def _identity(pid: int) -> ProcessIdentity | None:
    try:
        return ProcessIdentity.of(psutil.Process(pid))
    except psutil.Error:
        return None


def _reason(state: Path, errors: bytes) -> str:
    with contextlib.suppress(OSError):
        errors += (state / LOG).read_bytes()[-2000:]
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "its process ended at once."
