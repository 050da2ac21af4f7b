"""The CLI's registry of live processes: which session is open in which process.

Every CLI keeps a file `sessions/<pid>.json` in its config folder as long as it lives. A file that
a crash has left names a process that has ended, or one that has reused its pid.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil

from opcode_htmx.lib.coerce import Json, as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.process_identity import (
    HAS_PROC,
    is_running,
    start_ticks,
    stat_fields,
)

TERMINAL = "cli"
"""The entry point of a CLI in a terminal; others are started by programs."""
_NAME = late_pattern(r"[0-9]{1,10}\.json")
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A process of the CLI and the session that it has open."""

    pid: int
    session_id: str
    in_terminal: bool
    status: str
    """busy, idle or waiting; empty where the CLI has not written it."""
    cwd: str = ""
    """The folder in which it began."""


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
                status, cwd = as_str(entry.get("status")), as_str(entry.get("cwd"))
                yield LiveSession(pid, session_id, in_terminal, status, cwd)


def remove(config_dir: Path, pid: int, session_id: str) -> None:
    """Delete what a killed process of a session has left: its entry, its key and its socket."""
    folder = config_dir / "sessions"
    path = folder / f"{pid}.json"
    entry = _read(path)
    # the pid may be another process's by now
    if entry.get("sessionId") != session_id or _is_alive(pid, entry):
        return
    socket = Path(as_str(entry.get("messagingSocketPath")) or "/")
    with contextlib.suppress(OSError):
        path.unlink()
        for key in folder.glob(f"{pid}.*.key"):
            key.unlink()
        if socket.name == f"{pid}.sock" and stat.S_ISSOCK(socket.lstat().st_mode):
            socket.unlink()


def _read(path: Path) -> Json:
    try:
        # a pipe in its place would block the server
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            found = json.loads(file.read(MOST_BYTES)) if is_file else {}
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _is_alive(pid: int, entry: Json) -> bool:
    """Whether the process that wrote the entry still runs: `procStart` is its start time."""
    noted = as_str(entry.get("procStart"))
    with contextlib.suppress(psutil.Error, OSError):
        if not HAS_PROC:
            return is_running(psutil.Process(pid))
        fields = stat_fields(pid)
        return fields is not None and noted in ("", start_ticks(fields).decode())
    return False
