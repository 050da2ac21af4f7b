"""The CLI's registry of processes that are alive: which session is open where.

Every CLI keeps a file `sessions/<pid>.json` in its config folder as long as it lives. A file that
a crash has left behind names a process that is gone, or one that has taken over its number.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from opcode_htmx.lib.coerce import Json, as_str

TERMINAL = "cli"
"""The entry point of a CLI that runs in a terminal; others are programs, as we are."""
_NAME = re.compile(r"[0-9]{1,10}\.json")
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A process of the CLI and the session that it has open."""

    pid: int
    session_id: str
    in_terminal: bool
    status: str
    """busy, idle or waiting; empty where the CLI does not say."""


def live_sessions(config_dir: Path) -> Iterator[LiveSession]:
    """The sessions that are open on this machine with this config folder."""
    try:
        paths = list((config_dir / "sessions").iterdir())
    except OSError:
        return
    for path in paths:
        if _NAME.fullmatch(path.name):
            entry, pid = _read(path), int(path.stem)
            session_id = as_str(entry.get("sessionId"))
            if session_id and entry.get("pid") == pid and _is_alive(pid, entry):
                in_terminal = entry.get("entrypoint") == TERMINAL
                yield LiveSession(pid, session_id, in_terminal, as_str(entry.get("status")))


def _read(path: Path) -> Json:
    try:
        # a pipe in its place would keep everybody waiting
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            found = json.loads(file.read(MOST_BYTES)) if is_file else {}
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _is_alive(pid: int, entry: Json) -> bool:
    """Whether the process that wrote the entry still runs: `procStart` is its start time."""
    with contextlib.suppress(psutil.Error, OSError):
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        noted, ticks = as_str(entry.get("procStart")), _start_ticks(pid)
        return not (noted and ticks) or noted == ticks
    return False


def _start_ticks(pid: int) -> str:
    """When the process started, in ticks since the machine's start; empty where nothing says."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
