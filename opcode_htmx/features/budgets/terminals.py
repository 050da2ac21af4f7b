"""Counts what Claude costs in terminals.

Claude notes the cost of a session in its file as it ends, and where it begins another one
(`/clear`): what a terminal costs is known only then. It cannot be paused, but it is counted in the
budgets of a day.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path

from opcode_htmx.engines.base import History
from opcode_htmx.engines.claude.files.process_registry import LiveSession
from opcode_htmx.runs.budgets import shares as budget_shares
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.sessions.terminals.model import Program, Terminal

LATE_SECONDS = 5.0
"""How much later than it has left a session Claude may have written its file."""
MISSED_SECONDS = 3600.0
"""How long after its end a terminal that nobody has seen running is still looked at."""


class TerminalCosts:
    """Notes in the book what the sessions of terminals cost, under names of their own."""

    def __init__(
        self,
        book: BudgetBook,
        terminals: Callable[[], Iterable[Terminal]],
        live_sessions: Callable[[], Iterable[LiveSession]],
        history: History,
        cost_in: Callable[[Path, int, int], float],
        cleared: Callable[[Path, Collection[str], float], Collection[str]],
    ) -> None:
        """`cost_in` gives the cost that a session's file notes last from byte to byte, or 0.

        `cleared` gives the sessions in a folder, written since a Unix time, into which a process
        has come by `/clear` that was in one of other sessions.
        """
        self._book = book
        self._terminals = terminals
        self._live_sessions = live_sessions
        self._history = history
        self._cost_in = cost_in
        self._cleared = cleared
        self._sizes: dict[str, tuple[int, int]] = {}
        """By name, how large the file was at the last two looks: what an open session's file had
        at the one before is of others, as its own cost comes where it is left.
        """
        self._known_missed: set[str] = set()
        """Ended terminals for which it is known whether they were seen."""
        self._known_cleared: set[str] = set()
        """Ended terminals whose sessions are all known, also those that nobody saw open."""
        self._left_at: dict[str, float] = {}
        """By name, when a session was first seen left, a Unix time."""

    def round(self) -> None:
        """Look at all terminals. Called every few seconds. Raises OSError, DiskFull."""
        found = {
            each.id: each for each in self._terminals() if each.record.program is Program.CLAUDE
        }
        shares = self._book.spending.open_shares()
        missed = [each for each in found.values() if self._is_missed(each)]
        if not any(each.is_live for each in found.values()) and not shares and not missed:
            return
        sessions = {each.pid: each.session_id for each in self._live_sessions()}
        open_ = dict[str, str]()
        for terminal in found.values():
            leader = terminal.record.leader
            if leader and leader.pid in sessions:
                session_id = sessions[leader.pid]
                name = _name(terminal.id, session_id)
                open_[name] = session_id
                if terminal.is_live and name not in shares:
                    size = self._history.size(session_id) or 0
                    self._begin(name, terminal, session_id, size)
        for terminal in missed:
            self._begin_missed(terminal, open_)
        ended = {_terminal_of(name) for name in self._book.spending.open_shares()}
        for terminal in found.values():
            if terminal.id in ended and not terminal.is_live:
                self._begin_cleared(terminal)
        shares = self._book.spending.open_shares()
        for name, share in shares.items():
            if name in open_:
                self._left_at.pop(name, None)
                size = self._history.size(share.session_id) or 0
                self._sizes[name] = self._sizes.get(name, (0, 0))[1], size
            else:
                # also of one that was removed, so that its folder is gone
                self._look_at_left(name, share.session_id, found.get(_terminal_of(name)))
        self._sizes = {name: each for name, each in self._sizes.items() if name in shares}
        self._left_at = {name: at for name, at in self._left_at.items() if name in shares}
        self._known_missed &= found.keys()
        self._known_cleared &= found.keys()

    def _is_missed(self, terminal: Terminal) -> bool:
        """Whether a terminal has just ended that was open for less time than between two looks."""
        record = terminal.record
        ended_at = terminal.exit.at if terminal.exit else record.created_at
        return (
            not terminal.is_live
            and bool(record.first_session_id)
            and terminal.id not in self._known_missed
            and ended_at > time.time() - MISSED_SECONDS
        )

    def _begin_missed(self, terminal: Terminal, open_: Collection[str]) -> None:
        """Note what its session had cost before, unless it was seen while it ran."""
        self._known_missed.add(terminal.id)
        name = _name(terminal.id, terminal.record.first_session_id)
        if name not in open_ and not self._book.spending.has_noted(name):
            record = terminal.record
            size = record.history_start
            self._begin(name, terminal, record.first_session_id, size, again=False)

    def _begin_cleared(self, terminal: Terminal) -> None:
        """Note the sessions of an ended terminal that were open for less than between two looks."""
        if terminal.id in self._known_cleared:
            return
        record = terminal.record
        known = {
            share.session_id
            for name, share in self._book.spending.ledger.items()
            if name.startswith(_name(terminal.id, ""))
        }
        known |= {record.first_session_id} - {""}
        for session_id in self._cleared(Path(record.folder), known, record.created_at):
            self._begin(_name(terminal.id, session_id), terminal, session_id, 0, again=False)
        self._known_cleared.add(terminal.id)

    def _begin(
        self, name: str, terminal: Terminal, session_id: str, size: int, *, again: bool = True
    ) -> None:
        """Note what the session had cost before, when its file had `size` bytes.

        Unless `again`, not where another worker has noted it meanwhile.
        """
        total, project = self._cost(session_id, 0, size), Path(terminal.record.folder)
        self._sizes[name] = size, size
        self._book.spending.change(
            lambda ledger: (
                budget_shares.begun(ledger, name, session_id, project, total)
                if again or name not in ledger
                else ledger
            )
        )

    def _look_at_left(self, name: str, session_id: str, terminal: Terminal | None) -> None:
        """Note what a session has cost that its terminal has left, until that is known."""
        # one that was killed has no time of its end: Claude may note its cost all the same
        end = terminal.exit.at if terminal and terminal.exit else time.time()
        left_at = self._left_at.setdefault(name, end)
        begin, last = self._sizes.get(name, (0, -1))
        size = self._history.size(session_id)
        if size is not None and size != last and not self._is_of_others(session_id, left_at):
            total = self._cost(session_id, begin if begin <= size else 0, size)
            self._sizes[name] = begin, size
            self._book.spending.change(partial(budget_shares.grown, name=name, total=total))
        if left_at < time.time() - LATE_SECONDS:
            self._book.spending.change(partial(budget_shares.closed, name=name))

    def _is_of_others(self, session_id: str, left_at: float) -> bool:
        """Whether somebody else has written the session's file since it was left."""
        changed_at = self._history.changed_at(session_id) or 0
        return changed_at / 1e9 > left_at + LATE_SECONDS

    def _cost(self, session_id: str, begin: int, end: int) -> float:
        path = self._history.file(session_id)
        return self._cost_in(path, begin, end) if path and begin < end else 0.0


def _name(terminal_id: str, session_id: str) -> str:
    return f"{budget_shares.SHARE}{terminal_id}-{session_id}"


def _terminal_of(name: str) -> str:
    return name.removeprefix(budget_shares.SHARE).partition("-")[0]
