"""What is recorded of a terminal, and what is known of it now."""

from __future__ import annotations

import re
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from opcode_htmx.lib.coerce import LATEST
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.json_fields import number
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.process_identity import ProcessIdentity
from opcode_htmx.lib.pty.records import Exit

VERSION = 1
TERMINAL_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Program(StrEnum):
    """What runs in a terminal."""

    SHELL = "shell"
    CLAUDE = "claude"


class NoSuchTerminal(Exception):
    """The terminal is unknown or was removed; the text is a sentence for the user."""


class TerminalEnded(Exception):
    """It has ended, so nothing can be typed; the text is a sentence for the user."""


class TerminalRuns(Exception):
    """It cannot be removed while it runs; the text is a sentence for the user."""


class CannotStartTerminal(Exception):
    """A terminal could not be started; the text is a sentence for the user."""


class TerminalsOff(Exception):
    """The server has no terminals, or not for this user; the text is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class TerminalRecord:
    """A terminal as it was started. `created_at` is a Unix time."""

    id: str
    program: Program
    folder: str
    created_at: float
    by: Identity
    session_id: str = ""
    """The session that Claude goes on with; empty for a shell, and for a new session."""
    host: ProcessIdentity | None = None
    """The process that owns it; None until it has answered."""
    leader: ProcessIdentity | None = None
    """The program itself, which leads the processes of the terminal."""
    first_session_id: str = ""
    """The session that Claude begins in, also a new one; empty for a shell."""
    history_start: int = 0
    """The size of that session's file in bytes as the terminal was started."""

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "by": self.by.as_json()}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> TerminalRecord:
        """Raises one of json_files.WRONG_SHAPE."""
        processes = {
            name: ProcessIdentity(int(number(each["pid"])), number(each["started_at"]))
            for name in ("host", "leader")
            if (each := found.get(name))
        }
        return cls(
            id=str(found["id"]),
            program=Program(found["program"]),
            folder=str(found["folder"]),
            created_at=number(found["created_at"], LATEST),
            by=Identity.from_json(found["by"]),
            session_id=str(found.get("session_id", "")),
            first_session_id=str(found.get("first_session_id", "")),
            history_start=int(number(found.get("history_start", 0))),
            **processes,
        )


SCHEMA = JsonFileSchema(VERSION, TerminalRecord.from_json)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal as it is now."""

    record: TerminalRecord
    is_live: bool
    exit: Exit | None
    """Its end; None while it runs, and where its processes were killed."""
    end_of_output: int
    """The offset behind its newest output, for cursors."""

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def how_it_ended(self) -> str:
        """In words; empty while it runs."""
        if self.is_live:
            return ""
        if self.exit is None:
            return "was killed"
        if self.exit.status == 0:
            return "ended"
        if self.exit.status < 0:
            return f"ended by signal {-self.exit.status}"
        return f"ended with status {self.exit.status}"
