"""The requests and responses of /api/terminals."""

from __future__ import annotations

from pydantic import Field

from opcode_htmx.lib.pty.messages import COLUMNS, ROWS
from opcode_htmx.sessions.terminals.model import Program, Terminal
from opcode_htmx.web.rest.models import RequestModel, ResponseModel


class NewTerminal(RequestModel):
    """What to start, and where."""

    program: Program = Field(Program.SHELL, description="A shell, or Claude's own interface.")
    folder: str = Field(max_length=4096, description="In one of the folders that may be worked in.")
    columns: int = Field(80, ge=COLUMNS[0], le=COLUMNS[1])
    rows: int = Field(24, ge=ROWS[0], le=ROWS[1])


class TypedText(RequestModel):
    """What to type."""

    text: str = Field(max_length=100_000, description="A line ends with `\\r`, as Enter sends it.")


class TerminalModel(ResponseModel):
    """A terminal."""

    id: str
    program: Program
    folder: str
    session_id: str | None = Field(description="The session that Claude goes on with.")
    created_at: float = Field(description="A Unix time.")
    is_live: bool
    status: int | None = Field(
        description="The exit status, negative for a signal; null while it runs, and if its "
        "processes were killed from outside."
    )
    ended_at: float | None = Field(description="A Unix time.")

    @classmethod
    def of(cls, terminal: Terminal) -> TerminalModel:
        record, end = terminal.record, terminal.exit
        return cls(
            id=record.id,
            program=record.program,
            folder=record.folder,
            session_id=record.session_id or None,
            created_at=record.created_at,
            is_live=terminal.is_live,
            status=end.status if end else None,
            ended_at=end.at if end else None,
        )


class TerminalList(ResponseModel):
    """Those that run, and then those that have ended."""

    terminals: list[TerminalModel]
