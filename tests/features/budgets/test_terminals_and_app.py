"""What a session costs counts once where both a terminal and the app have it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from opcode_htmx.engines.claude.engine import ClaudeHistory
from opcode_htmx.features import budgets
from opcode_htmx.lib.coerce import seconds
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.ledger import Spent
from opcode_htmx.runs.budgets.shares import given_back
from tests.features.budgets.desk import Desk, note
from tests.sessions.index.histories import ONE, TWO


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


def test_a_run_that_is_long_idle_counts_on_from_when_its_session_began(desk: Desk) -> None:
    engine: Any = SimpleNamespace(history=ClaudeHistory((desk.config_dir,)))
    path = desk.session(ONE).path
    os.utime(path, (1.0, 1.0))
    written = seconds(json.loads(path.read_bytes().splitlines()[0])["timestamp"])
    assert budgets._begun_at(engine, ONE) == written > 1.0
    assert budgets._begun_at(engine, TWO) is None
