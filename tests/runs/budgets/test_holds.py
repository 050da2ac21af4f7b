"""A session that is held goes on by a decision, once."""

from __future__ import annotations

import time
from pathlib import Path

import gevent
import pytest

from opcode_htmx.runs.budgets import book as budget_book
from opcode_htmx.runs.budgets.book import BudgetBook, BudgetReached
from opcode_htmx.runs.budgets.figures import Hold, Kept, Limits, Scope, Standing
from tests.runs.budgets.projects import DAMAGED, DAY, ORCHARD
from tests.support.environment import PATIENCE


def test_a_held_session_is_released_once(book: BudgetBook, tmp_path: Path) -> None:
    book.set_hold("s1", "r1", Standing(Scope.RUN, 2.04, 2.0))
    with pytest.raises(BudgetReached, match="Decide on the session's page"):
        book.check("s1", ORCHARD)
    book.check("s2", ORCHARD)
    other = BudgetBook(tmp_path)
    assert other.hold("s1") == book.hold("s1")
    assert (other.release("s1"), book.release("s1")) == (True, False)
    book.check("s1", ORCHARD)


@pytest.mark.parametrize("scope", [Scope.RUN, Scope.PROJECT, Scope.DAY])
@pytest.mark.parametrize(
    ("limit", "is_held"), [(None, False), (2.5, False), (2.1, True), (2, True)]
)
def test_a_pause_ends_where_its_limit_is_lifted_or_raised_above_what_was_spent(
    book: BudgetBook, scope: Scope, limit: float | None, is_held: bool
) -> None:
    book.set_limits(Limits(**{scope: 2.0}))
    book.spending.record("r1", "s1", ORCHARD, 2.1, before=0.0)
    (standing,) = book.standings("r1", ORCHARD)
    book.set_hold("s1", "r1", standing)
    book.set_limits(Limits(**{scope: limit}))
    assert (book.hold("s1") is not None) == is_held
    if is_held:
        with pytest.raises(BudgetReached):
            book.check("s1", ORCHARD)
    else:
        book.check("s1", ORCHARD)


def test_a_pause_stays_where_another_limit_is_changed(book: BudgetBook, tmp_path: Path) -> None:
    book.set_limits(Limits(day=2.0))
    book.set_hold("s1", "r1", Standing(Scope.DAY, 2.1, 2.0))  # of yesterday: nothing is spent yet
    book.set_hold("s2", "r2", Standing(Scope.SCHEDULE, 2.1, 2.0))
    damaged = tmp_path / budget_book.HOLDS / "s3.json"
    damaged.write_text("{")
    book.set_limits(Limits(day=2.0, run=1.0))
    assert book.hold("s1") and book.hold("s2") and book.hold("s3")
    book.set_limits(Limits())
    assert book.hold("s1") is None
    assert book.hold("s2") and book.hold("s3")


HOSTILE_HOLDS = [
    f'{{"run_id": "r1", "scope": {scope}, "spent": {spent}, "limit": {limit}, "at": {at}}}'
    for scope, spent, limit, at in (
        ('"day"', "NaN", 1, 1),
        ('"day"', 1, "Infinity", 1),
        ('"day"', 1, 1, "1e300"),
        ('"moon"', 1, 1, 1),
        ("[]", 1, 1, 1),
    )
]


@pytest.mark.parametrize("damaged", [*DAMAGED, *HOSTILE_HOLDS])
def test_a_hold_that_cannot_be_read_holds_its_session_until_a_person_decides(
    book: BudgetBook, tmp_path: Path, damaged: str
) -> None:
    (tmp_path / budget_book.HOLDS).mkdir()
    path = tmp_path / budget_book.HOLDS / "s1.json"
    path.write_text(damaged)
    with pytest.raises(BudgetReached, match=r"Paused by a budget.*Decide on the session's page"):
        book.check("s1", ORCHARD)
    hold = book.hold("s1")
    assert hold and (hold.more, hold.was_working) == (0.0, False)
    book.check("s2", ORCHARD)
    assert book.release("s1")
    assert not book.release("s1")
    book.check("s1", ORCHARD)
    (kept,) = path.parent.glob("s1.json.unreadable-*")
    assert kept.read_text() == damaged


def test_going_on_allows_more_than_was_spent_beyond_a_limit(book: BudgetBook) -> None:
    book.set_limits(Limits(day=1.0))
    book.spending.record("r1", "s1", ORCHARD, 9.0, before=0.0)
    (standing,) = book.standings("r1", ORCHARD)
    book.set_hold("s1", "r1", standing)
    hold = book.hold("s1")
    assert hold and hold.more == 8.5
    assert book.go_on("s1", hold, ORCHARD)
    book.check("s1", ORCHARD)
    assert not book.go_on("s1", hold, ORCHARD), "a second phone allows nothing more"
    assert book.standings("r1", ORCHARD) == [Standing(Scope.DAY, 9.0, 9.5)]


def test_a_hold_of_another_worker_is_seen_at_once(book: BudgetBook, tmp_path: Path) -> None:
    """That a session is not held is remembered, and forgotten when any hold is set."""
    other = BudgetBook(tmp_path)
    standing = Standing(Scope.RUN, 2.0, 1.0)
    for number in range(20):
        session_id = f"s{number % 3}"
        assert book.hold(session_id) is None
        other.set_hold(session_id, "r1", standing)
        assert book.hold(session_id) is not None
        assert other.release(session_id)
        assert book.hold(session_id) is None


def test_a_hold_that_is_set_while_another_one_ends_is_not_lost(
    book: BudgetBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone lets a session go on while a worker pauses its next run."""
    book.set_hold("s1", "r1", Standing(Scope.DAY, 2.0, 2.0))
    hold, write = book.hold("s1"), book._write_limits
    setting = gevent.Greenlet(
        BudgetBook(tmp_path).set_hold, "s1", "r2", Standing(Scope.RUN, 9.0, 9.0)
    )

    def slow_write(kept: Kept) -> None:
        setting.start()
        gevent.sleep(0.001)  # as a disk may take
        write(kept)

    monkeypatch.setattr(book, "_write_limits", slow_write)
    assert hold
    assert book.go_on("s1", hold, ORCHARD)
    setting.get(timeout=PATIENCE)
    found = book.hold("s1")
    assert found
    assert found.run_id == "r2"


def test_a_hold_stays_where_more_cannot_be_allowed(book: BudgetBook, tmp_path: Path) -> None:
    book.set_hold("s1", "r1", Standing(Scope.DAY, 2.0, 2.0))
    hold = book.hold("s1")
    (tmp_path / budget_book.LIMITS).write_text("{")
    assert hold
    with pytest.raises(BudgetReached, match="cannot be read"):
        book.go_on("s1", hold, ORCHARD)
    assert book.hold("s1") == hold


def test_the_day_after_a_pause_nothing_more_is_needed(
    book: BudgetBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.set_hold("s1", "r1", Standing(Scope.DAY, 2.5, 2.0))
    hold = book.hold("s1")
    assert hold and hold.more == 1.5
    later = time.time() + DAY
    monkeypatch.setattr(time, "time", lambda: later)
    assert hold.more == 0.0


@pytest.mark.parametrize(
    ("spent", "limit", "more"), [(2.0, 2.0, 1.0), (2.1217, 2.0, 1.13), (0.0101, 0.01, 0.01)]
)
def test_more_for_a_day_is_a_number_of_cents(spent: float, limit: float, more: float) -> None:
    assert Hold("r1", Scope.DAY, spent, limit, time.time()).more == more
