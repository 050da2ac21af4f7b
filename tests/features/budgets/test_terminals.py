"""What Claude costs in a terminal counts once, from what its sessions had cost before."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from opcode_htmx.features.budgets.terminals import LATE_SECONDS
from opcode_htmx.lib.process_identity import ProcessIdentity
from opcode_htmx.sessions.terminals.model import Program, TerminalRecord
from tests.features.budgets.desk import PID, Desk, note
from tests.sessions.index.histories import ONE, TWO, Session


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
