"""The dev servers of live runs: what processes of Claude listen on."""

from __future__ import annotations

import time

from gevent.lock import BoundedSemaphore

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.processes import listening
from opcode_htmx.runs.processes.listening import Listener
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_table import Row, command_line, started_at
from opcode_htmx.runs.supervisor import Supervisor

FRESH_SECONDS = 2.0


class NoSuchServer(Exception):
    """No process of the session listens on this port; the text is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class DevServer:
    """A port that a process of a run listens on. `at`: when the process began, as a Unix time."""

    listener: Listener
    command: str
    at: float
    run_id: str
    session_id: str
    folder: str
    """The project's."""

    @property
    def port(self) -> int:
        return self.listener.port

    @property
    def mark(self) -> str:
        """Distinguishes it from another server that has the port later."""
        return f"{self.listener.key.pid}-{self.listener.key.started:.2f}-{self.listener.inode}"


class DevServers:
    """Finds the dev servers; a scan serves everybody who asks within two seconds."""

    def __init__(self, runs: Supervisor, monitor: ProcessMonitor) -> None:
        self._runs = runs
        self._monitor = monitor
        self._scanning = BoundedSemaphore(1)
        self._at = float("-inf")
        self._found: list[DevServer] = []

    def all(self, max_age: float = FRESH_SECONDS) -> list[DevServer]:
        """Those of all live runs, by port; found at most so many seconds ago."""
        called = time.monotonic()
        with self._scanning:
            if self._at < called - max_age:
                began = time.monotonic()
                self._found = self._scan(max_age)
                self._at = began
            return self._found

    def of_session(self, session_id: str) -> list[DevServer]:
        return [each for each in self.all() if each.session_id == session_id]

    def get(self, session_id: str, port: int, mark: str = "") -> DevServer:
        """The server of a session at a port, and the very one of a `mark`. Raises NoSuchServer."""
        for each in self.of_session(session_id):
            if each.port == port and mark in ("", each.mark):
                return each
        raise NoSuchServer(
            f"Nothing that this session has started listens on port {port} any more."
            if mark
            else f"Nothing that this session has started listens on port {port}."
        )

    def _scan(self, max_age: float) -> list[DevServer]:
        live = {run.id: run for run in self._runs.live()}
        if not live:
            return []
        owners: dict[int, str] = {}
        rows: list[Row] = []
        for run_id, tree in self._monitor.families(max_age).items():
            if run_id in live:
                rows += tree.rows
                owners.update(dict.fromkeys((row.pid for row in tree.rows), run_id))
        found = run_in_thread(_listeners, rows)
        return [
            DevServer(
                listener,
                command,
                started_at(listener.key),
                owners[listener.key.pid],
                live[owners[listener.key.pid]].record.session_id,
                str(live[owners[listener.key.pid]].record.project_path),
            )
            for listener, command in found
        ]


def _listeners(rows: list[Row]) -> list[tuple[Listener, str]]:
    return [(each, command_line(each.key.pid)) for each in listening.find(rows)]
