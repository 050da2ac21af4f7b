"""What Claude costs in a terminal counts once, from what its sessions had cost before."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.engine import ClaudeHistory
from opcode_htmx.engines.claude.files.lists.cleared import begun_by_clear
from opcode_htmx.engines.claude.files.process_registry import LiveSession
from opcode_htmx.features.budgets.terminals import LATE_SECONDS, TerminalCosts
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.lib.process_identity import ProcessIdentity
from opcode_htmx.lib.pty.records import Exit
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.ledger import Spent
from opcode_htmx.runs.budgets.shares import given_back
from opcode_htmx.sessions.terminals.model import Program, Terminal, TerminalRecord
from opcode_htmx.transcript.conversation.history_scan import cost_between
from tests.sessions.index.histories import ONE, TWO, Session

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


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def note(session: Session, total: float) -> None:
    session.write(json.dumps({"type": "cost-state", "totalCostUSD": total}) + "\n")


def test_a_session_of_a_terminal_costs_what_is_noted_as_it_ends(desk: Desk) -> None:
    desk.open = ONE
    assert desk.spent() == 0.0
    session = desk.session(ONE)
    assert desk.spent() == 0.0
    note(session, 0.25)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(0.25)
    desk.costs = desk.made()  # after a restart of the server
    assert desk.spent() == pytest.approx(0.25)
    assert desk.book.spending.of_today() == pytest.approx(0.25)


def test_what_a_session_had_cost_before_is_not_counted(desk: Desk) -> None:
    session = desk.session(ONE)
    note(session, 2.0)
    desk.open = ONE
    assert desk.spent() == 0.0
    session.answer("Watered.")
    note(session, 2.75)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(0.75)


def test_a_session_that_was_cleared_and_the_next_one_count_both(desk: Desk) -> None:
    desk.open = ONE
    desk.spent()
    note(desk.session(ONE), 0.5)
    desk.open = TWO
    assert desk.spent() == pytest.approx(0.5)
    second = desk.session(TWO)
    note(second, 0.25)
    desk.end(second.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(0.75)


def cleared(desk: Desk, session_id: str, total: float, *, of: str = ONE) -> Session:
    """A session that was begun by `/clear` in the process of another one, as the CLI notes it."""
    session = Session(desk.config_dir, session_id, str(desk.project))
    session.prompt("<command-name>/clear</command-name>")
    session.write(f'{{"type":"attachment","session_id":"{of}","sessionId":"{session_id}"}}\n')
    note(session, total)
    return session


def test_sessions_that_were_begun_by_clear_shortly_before_the_end_count(desk: Desk) -> None:
    desk.project.mkdir()
    desk.open = ONE
    desk.spent()
    note(desk.session(ONE), 0.5)
    cleared(desk, TWO, 0.25)
    third = cleared(desk, "33333333-3333-4333-8333-333333333333", 0.125)
    cleared(desk, "44444444-4444-4444-8444-444444444444", 9.0, of=TWO[:-1] + "3")  # another's
    desk.end(third.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(0.875)
    desk.costs = desk.made()  # after a restart of the server
    assert desk.spent() == pytest.approx(0.875)
    desk.app_notes(0.25, before=0.0, session_id=TWO)  # it was a run of the app, which says so late
    assert desk.spent() == pytest.approx(0.875)


def test_a_session_that_was_cleared_at_once_counts_the_next_one(desk: Desk) -> None:
    desk.project.mkdir()
    desk.open = ONE  # nothing is said in it: it has no file
    desk.spent()
    desk.end(cleared(desk, TWO, 0.25).path.stat().st_mtime)
    assert desk.spent() == pytest.approx(0.25)


def test_what_others_add_to_a_session_later_is_not_counted_as_the_terminals(desk: Desk) -> None:
    desk.open = ONE
    desk.spent()
    session = desk.session(ONE)
    note(session, 0.5)
    ended = session.path.stat().st_mtime
    desk.end(ended)
    assert desk.spent() == pytest.approx(0.5)
    note(session, 3.0)
    os.utime(session.path, (ended, ended + LATE_SECONDS + 1))
    assert desk.spent() == pytest.approx(0.5)


def test_a_terminal_that_has_ended_is_looked_at_once_more_only(desk: Desk) -> None:
    desk.open = ONE
    desk.spent()
    session = desk.session(ONE)
    note(session, 0.5)
    long_ago = time.time() - 60
    os.utime(session.path, (long_ago, long_ago))
    desk.end(long_ago)
    looks = desk.looks
    assert desk.spent() == pytest.approx(0.5)
    assert desk.looks == looks + 1


def test_a_session_that_was_left_and_goes_on_in_the_app_counts_once(desk: Desk) -> None:
    desk.open = ONE
    desk.spent()
    session = desk.session(ONE)
    note(session, 1.0)
    desk.open = TWO
    assert desk.spent() == pytest.approx(1.0)
    desk.app_notes(4.0, before=1.0)
    note(session, 4.0)
    assert desk.spent() == pytest.approx(4.0)
    desk.costs = desk.made()  # after a restart of the server
    assert desk.spent() == pytest.approx(4.0)


def test_what_strangers_add_to_a_session_that_was_left_is_not_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open = ONE
    desk.spent()
    session = desk.session(ONE)
    note(session, 1.0)
    desk.open = TWO
    assert desk.spent() == pytest.approx(1.0)
    later = time.time() + LATE_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    desk.spent()
    note(session, 4.0)
    assert desk.spent() == pytest.approx(1.0)
    desk.costs = desk.made()
    assert desk.spent() == pytest.approx(1.0)


def test_a_session_that_is_opened_again_counts_from_there(desk: Desk) -> None:
    long_ago = time.time() - 60
    desk.open = ONE
    desk.spent()
    session = desk.session(ONE)
    note(session, 1.0)
    os.utime(session.path, (long_ago, long_ago))
    desk.end(long_ago)
    assert desk.spent() == pytest.approx(1.0)
    note(session, 4.0)
    desk.open = ONE
    desk.terminal = replace(desk.terminal, is_live=True, exit=None)
    assert desk.spent() == pytest.approx(1.0)
    note(session, 4.5)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(1.5)


def test_a_cost_of_the_app_in_a_session_that_a_terminal_has_open_counts_once(desk: Desk) -> None:
    desk.open = ONE
    desk.spent()
    session = desk.session(ONE)
    note(session, 2.0)
    desk.app_notes(2.0, before=0.0)
    assert desk.spent() == pytest.approx(2.0)
    note(session, 2.0)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(2.0)


def test_a_cost_that_the_app_reads_after_its_terminal_has_ended_counts_once(desk: Desk) -> None:
    desk.open = ONE
    desk.spent()
    session = desk.session(ONE)
    note(session, 2.0)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(2.0)
    for total in (1.5, 2.0):  # as a server does that was down
        desk.app_notes(total, before=0.0)
        assert desk.spent() == pytest.approx(2.0)
    desk.app_notes(3.0, before=0.0)
    assert desk.spent() == pytest.approx(3.0)


def test_what_the_app_reports_late_is_taken_from_the_stretch_that_had_counted_it(
    desk: Desk,
) -> None:
    long_ago = time.time() - 60
    session = desk.session(ONE)
    for before, total in ((0.0, 1.0), (3.0, 5.0)):  # from 1 to 3 others have worked
        if before:
            note(session, before)
        desk.open = ONE
        desk.terminal = replace(desk.terminal, is_live=True, exit=None)
        desk.spent()
        note(session, total)
        os.utime(session.path, (long_ago, long_ago))
        desk.end(long_ago)
        desk.spent()
    assert desk.spent() == pytest.approx(3.0)
    desk.book = BudgetBook(desk.config_dir.parent / "state")  # as another worker reads it
    desk.app_notes(5.0, before=4.0)  # has worked in the second stretch, at the end
    assert desk.book.spending.of_today() == pytest.approx(3.0)
    record = desk.book.spending.record
    record("run-2", ONE, desk.project, 3.0, before=1.0)  # between the two
    assert desk.book.spending.of_today() == pytest.approx(5.0)
    record("run-3", ONE, desk.project, 1.0, before=0.0)  # the first, as a whole
    record("run-4", ONE, desk.project, 4.0, before=3.0)  # what is left of the second
    assert desk.book.spending.of_today() == pytest.approx(5.0)
    (share,) = (each for name, each in desk.book.spending.ledger.items() if "terminal" in name)
    assert share.spent == pytest.approx(0.0)


def test_what_is_given_back_is_taken_from_the_newest_days_first() -> None:
    days = {"2026-11-28": 1.0, "2026-11-29": 2.0}
    share = Spent(ONE, "/work/orchard", 3.0, 3.0, days)
    found = given_back({"terminal-a": share}, ONE, 0.5, 3.0)["terminal-a"]
    assert found.days == pytest.approx({"2026-11-28": 0.5, "2026-11-29": 0.0})
    assert found.spent == pytest.approx(0.5)


def test_a_cost_of_the_app_that_comes_into_the_file_later_counts_once(desk: Desk) -> None:
    session = desk.session(ONE)
    desk.app_notes(2.0, before=0.0)
    desk.open = ONE
    desk.spent()
    note(session, 2.0)  # as the process of the app ends
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(2.0)


def test_what_the_app_has_cleared_counts_once(desk: Desk) -> None:
    session = desk.session(ONE)
    desk.open = ONE
    desk.spent()
    desk.app_notes(2.0, before=0.0)
    note(session, 2.0)
    desk.app_notes(0.5, before=0.0)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(2.5)


def test_a_session_that_the_app_has_begun_by_clearing_counts_once(desk: Desk) -> None:
    desk.app_notes(2.0, before=0.0)
    note(desk.session(ONE), 2.0)
    desk.app_notes(0.25, before=0.0, session_id=TWO)
    session = desk.session(TWO)
    desk.open = TWO
    desk.spent()
    desk.app_notes(0.5, before=0.0, session_id=TWO)
    note(session, 0.5)  # as the process of the app ends
    assert desk.spent() == pytest.approx(2.5)
    note(session, 0.75)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(2.75)


def test_a_terminal_in_a_session_that_the_app_has_cleared_before_counts(desk: Desk) -> None:
    desk.app_notes(2.0, before=0.0)
    session = desk.session(ONE)
    note(session, 2.0)
    desk.app_notes(3.0, before=0.0, session_id=TWO)
    assert desk.spent() == pytest.approx(5.0)
    desk.open = ONE
    desk.spent()
    note(session, 2.5)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(5.5)


def test_a_cost_that_no_later_total_has_is_not_taken_from_the_terminals(desk: Desk) -> None:
    desk.app_notes(3.0, before=0.0)  # and its process was killed: the file has no total
    session = desk.session(ONE)
    desk.open = ONE
    desk.spent()
    note(session, 1.0)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(4.0)


def test_a_terminal_that_is_removed_as_soon_as_it_has_ended_counts(desk: Desk) -> None:
    desk.open = ONE
    desk.spent()
    note(desk.session(ONE), 2.0)
    desk.open, desk.is_removed = "", True
    desk.costs = desk.made()
    assert desk.spent() == pytest.approx(2.0)


def test_what_claude_notes_as_its_terminal_is_killed_counts(desk: Desk) -> None:
    desk.open = ONE
    desk.spent()
    note(desk.session(ONE), 2.0)
    desk.open = ""
    desk.terminal = replace(desk.terminal, is_live=False, exit=None)
    assert desk.spent() == pytest.approx(2.0)


def test_only_what_has_come_since_is_searched_for_a_cost(desk: Desk) -> None:
    session = desk.session(ONE)
    session.answer("water " * 50_000)
    before = session.path.stat().st_size
    desk.open = ONE
    for _ in range(3):
        session.answer("Watered.")
        assert desk.spent() == 0.0
    assert desk.read < before + 10_000
    note(session, 0.5)
    desk.end(session.path.stat().st_mtime)
    assert desk.spent() == pytest.approx(0.5)
    assert desk.read < before + 20_000


def test_a_terminal_that_has_ended_before_anybody_looked_counts(desk: Desk) -> None:
    session = desk.session(ONE)
    note(session, 2.0)
    record = replace(
        desk.terminal.record, first_session_id=ONE, history_start=session.path.stat().st_size
    )
    desk.terminal = replace(desk.terminal, record=record)
    note(session, 2.25)
    ended = session.path.stat().st_mtime
    desk.end(ended)
    other = desk.made()
    assert desk.spent() == pytest.approx(0.25)
    other.round()
    note(session, 3.0)  # of somebody else
    os.utime(session.path, (ended, ended + LATE_SECONDS + 1))
    desk.costs = desk.made()
    assert desk.spent() == pytest.approx(0.25)


def test_a_terminal_that_was_seen_while_it_ran_is_not_counted_again(desk: Desk) -> None:
    record = replace(desk.terminal.record, first_session_id=ONE)
    desk.terminal = replace(desk.terminal, record=record)
    desk.open = ONE
    desk.spent()
    session = desk.session(ONE)
    note(session, 0.5)
    long_ago = time.time() - 60
    os.utime(session.path, (long_ago, long_ago))
    desk.end(long_ago)
    assert desk.spent() == pytest.approx(0.5)
    desk.costs = desk.made()
    assert desk.spent() == pytest.approx(0.5)
    assert desk.book.spending.open_shares() == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda record: replace(record, program=Program.SHELL),
        lambda record: replace(record, leader=ProcessIdentity(PID + 1, 1.0)),
    ],
    ids=["a shell", "another process"],
)
def test_only_claude_in_its_own_terminal_is_counted(
    desk: Desk, change: Callable[[TerminalRecord], TerminalRecord]
) -> None:
    desk.terminal = replace(desk.terminal, record=change(desk.terminal.record))
    desk.open = ONE
    desk.spent()
    note(desk.session(ONE), 0.5)
    assert desk.spent() == 0.0
