"""Somebody at a desk with terminals, in which Claude costs something."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

from opcode_htmx.engines.claude.engine import ClaudeHistory
from opcode_htmx.engines.claude.files.lists.cleared import begun_by_clear
from opcode_htmx.engines.claude.files.process_registry import LiveSession
from opcode_htmx.features.budgets.terminals import TerminalCosts
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.lib.process_identity import ProcessIdentity
from opcode_htmx.lib.pty.records import Exit
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.sessions.terminals.model import Program, Terminal, TerminalRecord
from opcode_htmx.transcript.conversation.history_scan import cost_between
from tests.sessions.index.histories import ONE, Session

PID = 4711


class Desk:
    """A terminal with Claude in it, whose sessions are the test's."""

    def __init__(self, folder: Path) -> None:
        self.config_dir = folder / "claude"
        self.project = folder / "orchard"
        state = folder / "state"
        state.mkdir()
        self.book = BudgetBook(state)
        leader = ProcessIdentity(PID, 1.0)
        record = TerminalRecord(
            "a" * 32, Program.CLAUDE, str(self.project), 1.0, SYSTEM, leader=leader
        )
        self.terminal = Terminal(record, True, None, 0)
        self.open = ""
        """The session that Claude has open."""
        self.looks = 0
        self.read = 0
        """Bytes that were searched for a cost."""
        self.is_removed = False
        self.costs = self.made()

    def made(self) -> TerminalCosts:
        """One of a worker."""
        return TerminalCosts(
            self.book,
            lambda: [] if self.is_removed else [self.terminal],
            self.live,
            ClaudeHistory((self.config_dir,)),
            self.cost_in,
            partial(begun_by_clear, self.config_dir),
        )

    def cost_in(self, path: Path, begin: int, end: int) -> float:
        self.read += end - begin
        return cost_between(path, begin, end)

    def live(self) -> list[LiveSession]:
        self.looks += 1
        return [LiveSession(PID, self.open, True, "")] if self.open else []

    def session(self, session_id: str) -> Session:
        session = Session(self.config_dir, session_id, str(self.project))
        session.prompt("Water the trees")
        return session

    def app_notes(self, total: float, before: float, session_id: str = ONE) -> None:
        """What a run of the app says that a session has cost."""
        self.book.spending.record("run-1", session_id, self.project, total, before=before)

    def end(self, at: float) -> None:
        self.open = ""
        self.terminal = replace(self.terminal, is_live=False, exit=Exit(0, at))

    def spent(self) -> float:
        for _ in range(2):
            self.costs.round()
        return self.book.spending.of_today(self.project)


def note(session: Session, total: float) -> None:
    session.write(json.dumps({"type": "cost-state", "totalCostUSD": total}) + "\n")
