"""Put the terminals together, for the features and the API that stand on them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.base import Engine
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.jobs import Job, Jobs
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.identity import OWNER, Identity
from opcode_htmx.sessions.terminals.model import Program, Terminal, TerminalsOff
from opcode_htmx.sessions.terminals.settings import FOLDER, TerminalSettings
from opcode_htmx.sessions.terminals.store import USUAL_SIZE, Terminals
from opcode_htmx.sessions.terminals.watch import OutputWatch
from opcode_htmx.sessions.workspace import Workspace

OFF = "This server has no terminal. Its owner can start it with OPCODE_TERMINAL=1."
NOT_YOURS = "Only the owner of this server may use its terminal."


@dataclass(frozen=True, slots=True)
class TerminalServices:
    """What pages and programs do with terminals."""

    is_on: bool
    terminals: Terminals
    watch: OutputWatch

    def allow(self, by: Identity) -> None:
        """Raises TerminalsOff unless there are terminals, and `by` may use them."""
        if not self.is_on:
            raise TerminalsOff(OFF)
        if OWNER not in by.roles:
            raise TerminalsOff(NOT_YOURS)

    def start(
        self,
        program: Program,
        folder: Path,
        by: Identity,
        *,
        session_id: str = "",
        size: tuple[int, int] = USUAL_SIZE,
    ) -> Terminal:
        """As `Terminals.start`, and logged as an act; so are the others."""
        started = self.terminals.start(program, folder, by, session_id=session_id, size=size)
        log_act(
            by,
            "terminal.open",
            session=session_id,
            terminal=started.id,
            program=program,
            folder=str(folder),
        )
        return started

    def end(self, terminal_id: str, by: Identity) -> Terminal:
        ended = self.terminals.end(terminal_id)
        log_act(by, "terminal.end", terminal=terminal_id)
        return ended

    def remove(self, terminal_id: str, by: Identity) -> None:
        self.terminals.remove(terminal_id)
        log_act(by, "terminal.remove", terminal=terminal_id)


class Context(Protocol):
    """What they are made of: the part of the app's context that they need."""

    @property
    def settings(self) -> Settings: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def workspace(self) -> Workspace: ...
    @property
    def state(self) -> StateDir: ...
    @property
    def jobs(self) -> Jobs: ...


def services(context: Context) -> TerminalServices:
    """To be called by `context.once`, so that all share them."""
    settings = context.settings
    terminals = Terminals(
        context.state.folder(FOLDER.name),
        context.workspace.folders,
        context.engine.launcher,
        settings.child_environment,
        context.engine.history.size,
    )
    watch = OutputWatch()
    context.jobs.add(Job("watch terminals", lambda: None, watch.close))
    return TerminalServices(settings.of(TerminalSettings).on, terminals, watch)
