"""The terminals of this machine: start, list, type into, end and remove them.

A terminal is a folder, with its record, two named pipes and its newest output. All workers, and a
restarted server, find the same ones.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import gevent

from opcode_htmx.engines.base import Launcher
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.pty import child, messages, segments
from opcode_htmx.runs.policies.working_folders import WorkingFolders
from opcode_htmx.sessions.terminals import launch, pipes
from opcode_htmx.sessions.terminals.model import (
    SCHEMA,
    TERMINAL_ID,
    CannotStartTerminal,
    NoSuchTerminal,
    Program,
    Terminal,
    TerminalRecord,
    TerminalRuns,
)
from opcode_htmx.sessions.terminals.settings import MOST_ENDED

RECORD = "terminal.json"
USUAL_SIZE = 80, 24
"""Columns and lines."""
MOST_LIVE = 20
END_SECONDS = 4.0
"""How long a host may take to end its terminal before it is killed."""
_SHELL = "/bin/sh"


class Terminals:
    """The terminals in a folder of the state folder."""

    def __init__(
        self,
        folder: Path,
        folders: WorkingFolders,
        launcher: Launcher,
        environment: Mapping[str, str],
        history_size: Callable[[str], int | None] = lambda _session_id: None,
    ) -> None:
        """`history_size` gives the bytes of a session's file; None as long as there is none."""
        self._folder = folder
        self._folders = folders
        self._launcher = launcher
        self._environment = environment
        self._history_size = history_size

    def folder_of(self, terminal_id: str) -> Path:
        """Raises NoSuchTerminal."""
        path = self._folder / terminal_id
        if not TERMINAL_ID.fullmatch(terminal_id) or not (path / RECORD).is_file():
            raise NoSuchTerminal("There is no such terminal, or it was removed.")
        return path

    def output_of(self, terminal_id: str) -> Path:
        """The folder of its segments. Raises NoSuchTerminal."""
        return self.folder_of(terminal_id) / segments.FOLDER

    def all(self) -> list[Terminal]:
        """Those that run, and then those that have ended, each the newest first."""
        found = [each for each in map(self._found, self._ids()) if each]
        return sorted(found, key=lambda each: (not each.is_live, -each.record.created_at))

    def get(self, terminal_id: str) -> Terminal:
        """Raises NoSuchTerminal."""
        self.folder_of(terminal_id)
        found = self._found(terminal_id)
        if found is None:
            raise NoSuchTerminal("What is recorded of this terminal cannot be read.")
        return found

    def host_pids(self) -> frozenset[int]:
        """The processes that own the terminals."""
        return frozenset(
            each.record.host.pid for each in self.all() if each.is_live and each.record.host
        )

    # --- start ------------------------------------------------------------------------------

    def start(
        self,
        program: Program,
        folder: Path,
        by: Identity,
        *,
        session_id: str = "",
        size: tuple[int, int] = USUAL_SIZE,
    ) -> Terminal:
        """Start one in a folder. Raises InvalidFolder, CannotStartTerminal, OSError."""
        first = "" if program is Program.SHELL else session_id or str(uuid.uuid4())
        argv, environment = self._command(program, first, resume=bool(session_id))
        with self._folders.opened(folder) as opened:
            record = TerminalRecord(
                uuid.uuid4().hex,
                program,
                str(opened.path),
                time.time(),
                by,
                session_id,
                first_session_id=first,
                history_start=(self._history_size(session_id) or 0) if session_id else 0,
            )
            state = self._make(record)
            try:
                host, leader = launch.start_host(
                    state,
                    argv,
                    launch.environment_of(environment, opened.path),
                    opened.descriptor,
                    size,
                )
            except BaseException:
                shutil.rmtree(state, ignore_errors=True)
                raise
        SCHEMA.write(state / RECORD, replace(record, host=host, leader=leader).as_json())
        return self.get(record.id)

    def _command(
        self, program: Program, session_id: str, *, resume: bool
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        if program is Program.CLAUDE:
            option = "--resume" if resume else "--session-id"
            return tuple(self._launcher.subcommand(option, session_id))  # type: ignore[return-value]
        return (shell(self._environment), "-l"), self._environment

    def _make(self, record: TerminalRecord) -> Path:
        """The folder of a new one, within the limits. Raises CannotStartTerminal, OSError."""
        atomic_files.make_folder(self._folder)
        with file_locks.held(self._folder.with_name(f"{self._folder.name}.lock")):
            there = self.all()
            if sum(each.is_live for each in there) >= MOST_LIVE:
                raise CannotStartTerminal(
                    f"{MOST_LIVE} terminals run already. End one of them first."
                )
            for old in [each for each in there if not each.is_live][MOST_ENDED - 1 :]:
                self.remove(old.id)
            state = self._folder / record.id
            state.mkdir(mode=0o700)
            SCHEMA.write(state / RECORD, record.as_json())
        return state

    # --- act --------------------------------------------------------------------------------

    def type(self, terminal_id: str, data: bytes) -> None:
        """Type into it; waits until it is taken. Raises NoSuchTerminal, TerminalEnded."""
        with pipes.keyboard(self.folder_of(terminal_id)) as keyboard:
            keyboard.type(data)

    def resize(self, terminal_id: str, columns: int, rows: int) -> None:
        """Raises NoSuchTerminal, TerminalEnded."""
        pipes.order(self.folder_of(terminal_id), messages.size(columns, rows))

    def of_session(self, session_id: str) -> list[Terminal]:
        """Those that run Claude's own interface with a session."""
        return [
            each for each in self.all() if each.is_live and each.record.session_id == session_id
        ]

    def end(self, terminal_id: str) -> Terminal:
        """End the program and all processes of its terminal; returns when they have ended.

        Raises NoSuchTerminal, TerminalEnded, OSError.
        """
        folder = self.folder_of(terminal_id)
        pipes.order(folder, messages.hang_up())
        until = time.monotonic() + END_SECONDS
        while pipes.is_live(folder) and time.monotonic() < until:
            gevent.sleep(0.02)
        found = self.get(terminal_id)
        if found.is_live:
            kill(found.record)
            found = self.get(terminal_id)
        return found

    def remove(self, terminal_id: str) -> None:
        """Remove an ended one from the list. Raises NoSuchTerminal, TerminalRuns, OSError."""
        folder = self.folder_of(terminal_id)
        if pipes.is_live(folder):
            raise TerminalRuns("This terminal runs. End it first.")
        run_in_thread(shutil.rmtree, folder)

    # --- look -------------------------------------------------------------------------------

    def _ids(self) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if TERMINAL_ID.fullmatch(path.name):
                    yield path.name

    def _found(self, terminal_id: str) -> Terminal | None:
        folder = self._folder / terminal_id
        record = SCHEMA.read(folder / RECORD)
        if record is None or record.id != terminal_id:
            return None
        live = pipes.is_live(folder)
        try:
            end, status = segments.end_of(folder / segments.FOLDER)
        except OSError:
            end, status = 0, None
        return Terminal(record, live, status, end)


def shell(environment: Mapping[str, str]) -> str:
    """The shell of this user."""
    named = environment.get("SHELL", "")
    if not named:
        with contextlib.suppress(KeyError):
            named = pwd.getpwuid(os.getuid()).pw_shell
    return named if os.access(named, os.X_OK) and Path(named).is_absolute() else _SHELL


def kill(record: TerminalRecord) -> None:
    """Kill a host that does not obey, and its program with all that it has started."""
    leader = record.leader.find() if record.leader else None
    if leader is not None:
        # first: once it is gone, its pid may be another's
        run_in_thread(child.kill_session, leader.pid)
    for identity in (record.host, record.leader):
        process = identity.find() if identity else None
        if process is not None:
            with contextlib.suppress(Exception):
                process.kill()
                process.wait(1)
