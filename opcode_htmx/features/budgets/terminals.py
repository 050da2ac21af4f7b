"""Counts what Claude costs in terminals.

Claude notes the cost of a session in its file as it ends, and where it begins another one
(`/clear`): what a terminal costs is known only then. It cannot be paused, but it is counted in the
budgets of a day.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from opcode_htmx.engines.base import History
from opcode_htmx.engines.claude.files.process_registry import LiveSession
from opcode_htmx.runs.policies.budget_book import BudgetBook
from opcode_htmx.sessions.terminals.model import Program, Terminal

LATE_SECONDS = 5.0
"""How much later than the end of a terminal Claude may have written the file of its session."""


class TerminalCosts:
    """Notes in the book what the sessions of terminals cost, under names of their own."""

    def __init__(
        self,
        book: BudgetBook,
        terminals: Callable[[], Iterable[Terminal]],
        live_sessions: Callable[[], Iterable[LiveSession]],
        history: History,
        cost_in: Callable[[Path, int], float],
    ) -> None:
        """`cost_in` gives the cost that the first bytes of a session's file note last."""
        self._book = book
        self._terminals = terminals
        self._live_sessions = live_sessions
        self._history = history
        self._cost_in = cost_in
        self._sizes: dict[str, int] = {}
        """By session, the size of its file when it was read last."""
        self._over = set[str]()
        """The terminals that have ended, and were looked at since."""

    def round(self) -> None:
        """Look at all terminals. Called every few seconds. Raises OSError, DiskFull."""
        found = {each.id: each for each in self._terminals()}
        self._over.intersection_update(found)
        open_ = [
            each
            for each in found.values()
            if each.record.program is Program.CLAUDE and each.id not in self._over
        ]
        if not open_:
            return
        sessions = {each.pid: each.session_id for each in self._live_sessions()}
        for terminal in open_:
            leader = terminal.record.leader
            if terminal.is_live and leader and leader.pid in sessions:
                self._begin(terminal, sessions[leader.pid])
            for session_id, total in self._noted(terminal).items():
                self._go_on(terminal, session_id, total)
            if not terminal.is_live and _ended_at(terminal) < time.time() - LATE_SECONDS:
                self._over.add(terminal.id)

    def _noted(self, terminal: Terminal) -> dict[str, float]:
        """The sessions that a terminal has had, with the costs in their files at the last look."""
        begin = _name(terminal, "")
        totals = self._book.totals(begin)
        return {name.removeprefix(begin): total for name, total in totals.items()}

    def _begin(self, terminal: Terminal, session_id: str) -> None:
        """Note what the session had cost before, where it is new to the terminal."""
        if not self._book.has_noted(_name(terminal, session_id)):
            total = self._cost(session_id)
            self._note(terminal, session_id, total, before=total)

    def _go_on(self, terminal: Terminal, session_id: str, known: float) -> None:
        size = self._history.size(session_id)
        if size is None or self._sizes.get(session_id) == size:
            return
        if not terminal.is_live and self._is_of_others(terminal, session_id):
            return
        total = self._cost(session_id)
        self._sizes[session_id] = size
        if total > known:
            self._note(terminal, session_id, total, before=known)

    def _is_of_others(self, terminal: Terminal, session_id: str) -> bool:
        """Whether somebody else has written the session's file since a terminal has ended."""
        changed_at = self._history.changed_at(session_id) or 0
        return changed_at / 1e9 > _ended_at(terminal) + LATE_SECONDS

    def _cost(self, session_id: str) -> float:
        path, size = self._history.file(session_id), self._history.size(session_id)
        return self._cost_in(path, size) if path and size else 0.0

    def _note(self, terminal: Terminal, session_id: str, total: float, *, before: float) -> None:
        name, project = _name(terminal, session_id), Path(terminal.record.folder)
        self._book.record(name, session_id, project, total, before=before)


def _ended_at(terminal: Terminal) -> float:
    """When a terminal has ended; 0 where it was killed: then Claude has noted nothing."""
    return terminal.exit.at if terminal.exit else 0.0


def _name(terminal: Terminal, session_id: str) -> str:
    return f"terminal-{terminal.id}-{session_id}"
