"""What is noted of costs counts once, by day and by project."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opcode_htmx.lib import bounded_json
from opcode_htmx.runs.budgets import book as budget_book
from opcode_htmx.runs.budgets import monitor, spending
from opcode_htmx.runs.budgets.book import BudgetBook, BudgetReached
from opcode_htmx.runs.budgets.figures import Limits, Scope
from opcode_htmx.runs.budgets.ledger import project_of
from tests.runs.budgets.projects import DAY, MEADOW, ORCHARD


def test_a_total_that_is_noted_again_counts_once(book: BudgetBook) -> None:
    for total in (0.5, 0.5, 1.25, 1.25):
        book.spending.record("r1", "s1", ORCHARD, total, before=0.0)
    assert book.spending.of_run("r1") == pytest.approx(1.25)
    assert book.spending.of_today() == pytest.approx(1.25)


def test_a_resumed_session_counts_from_what_was_seen_last(book: BudgetBook) -> None:
    book.spending.record("r1", "s1", ORCHARD, 2.0, before=0.0)
    book.spending.record("r2", "s1", ORCHARD, 2.5, before=None)
    assert book.spending.of_run("r2") == pytest.approx(0.5)
    # a session of a terminal: nobody knows what it has cost before
    book.spending.record("r3", "s2", ORCHARD, 9.0, before=None)
    assert book.spending.of_run("r3") == 0.0
    book.spending.record("r3", "s2", ORCHARD, 9.5, before=None)
    assert book.spending.of_run("r3") == pytest.approx(0.5)
    assert book.spending.of_today() == pytest.approx(3.0)


def test_a_session_that_was_cleared_counts_on(book: BudgetBook) -> None:
    book.spending.record("r1", "s1", ORCHARD, 2.0, before=0.0)
    book.spending.record("r1", "s1", ORCHARD, 0.3, before=0.0)
    assert book.spending.of_run("r1") == pytest.approx(2.3)


def test_a_session_that_was_begun_by_clearing_costs_more_than_the_one_before(
    book: BudgetBook, tmp_path: Path
) -> None:
    book.spending.record("r1", "s1", ORCHARD, 6.0, before=4.0)
    in_first = time.time()
    book.spending.record("r1", "s2", ORCHARD, 9.0, before=0.0)
    assert book.spending.of_run("r1") == pytest.approx(11.0)
    book.spending.record("r1", "s1", ORCHARD, 6.5, before=4.0, at=in_first)  # late: it was left
    book.spending.record("r1", "s2", ORCHARD, 9.5, before=0.0)
    book = BudgetBook(tmp_path)
    book.spending.record("r1", "s3", ORCHARD, 1.0, before=0.0)
    assert book.spending.of_run("r1") == book.spending.of_today() == pytest.approx(12.5)
    book.spending.record("r2", "s1", ORCHARD, 7.0, before=None)  # goes on from what s1 has cost
    assert book.spending.of_run("r2") == pytest.approx(1.0)


def test_a_run_that_comes_back_to_a_session_is_counted_on(book: BudgetBook, tmp_path: Path) -> None:
    now = time.time()
    reports = [
        ("s1", 6.0, now - 9, 2.0),
        ("s2", 2.0, now - 8, 4.0),
        ("s1", 6.5, now - 7, 4.5),
        ("s2", 2.0, now - 6, 4.5),
        ("s2", 5.0, now - 5, 7.5),
        ("s1", 9.0, now - 6, 7.5),  # late: of before the run left it again
        ("s1", 9.0, now - 5, 7.5),
        ("s3", 1.0, now - 4, 8.5),
        ("s1", 7.5, now - 3, 9.5),
        ("s2", 0.5, now - 2, 10.0),  # Claude counts from zero
    ]
    for session_id, total, at, spent in reports:
        book.spending.record("r1", session_id, ORCHARD, total, before=4.0, at=at)
        assert BudgetBook(tmp_path).spending.of_run("r1") == pytest.approx(spent), (session_id, at)
    assert book.spending.of_today() == pytest.approx(10.0)
    book.spending.record("r2", "s1", ORCHARD, 8.0, before=None)
    assert book.spending.of_run("r2") == pytest.approx(0.5)


def test_a_run_that_came_back_before_the_clock_was_set_is_counted_on(book: BudgetBook) -> None:
    now = time.time()
    book.spending.record("r1", "s1", ORCHARD, 2.0, before=0.0, at=now + DAY)
    book.spending.record("r1", "s2", ORCHARD, 1.0, before=0.0, at=now + DAY + 2)
    book.spending.record("r1", "s1", ORCHARD, 2.5, before=0.0, at=now + DAY + 1)  # late
    assert book.spending.of_run("r1") == pytest.approx(3.0)
    book.spending.record("r1", "s1", ORCHARD, 2.5, before=0.0, at=now)
    assert book.spending.of_run("r1") == pytest.approx(3.5)


def test_a_report_that_comes_late_is_ignored(book: BudgetBook) -> None:
    now = time.time()
    book.spending.record("r1", "s1", ORCHARD, 2.0, before=0.0, at=now - 10)
    book.spending.record("r1", "s1", ORCHARD, 1.5, before=0.0, at=now - 20)
    assert book.spending.of_run("r1") == pytest.approx(2.0)
    book.spending.record("r1", "s1", ORCHARD, 2.5, before=0.0, at=now - 5)
    assert book.spending.of_run("r1") == pytest.approx(2.5)


def test_a_clock_that_was_wrong_does_not_stop_the_counting(book: BudgetBook) -> None:
    now = time.time()
    book.spending.record("r1", "s1", ORCHARD, 2.0, before=0.0, at=now + DAY)
    book.spending.record("r1", "s1", ORCHARD, 2.5, before=0.0, at=now)
    assert book.spending.of_run("r1") == pytest.approx(2.5)


def test_what_an_earlier_version_noted_is_counted_on(book: BudgetBook, tmp_path: Path) -> None:
    book.spending.record("r1", "s1", ORCHARD, 2.0, before=0.0)
    path = tmp_path / budget_book.SPENDING
    content = json.loads(path.read_bytes())
    del content["runs"]["r1"]["at"]
    path.unlink()
    path.write_text(json.dumps(content))
    book.spending.record("r1", "s1", ORCHARD, 2.5, before=0.0, at=1.0)
    assert book.spending.of_run("r1") == pytest.approx(2.5)


def test_days_and_projects_are_counted_by_themselves(
    book: BudgetBook, on_day: Callable[[int], None]
) -> None:
    book.spending.record("r1", "s1", ORCHARD, 2.0, before=0.0)
    book.spending.record("r2", "s2", MEADOW, 1.0, before=0.0)
    assert book.spending.of_today(MEADOW) == pytest.approx(1.0)
    on_day(1)
    assert book.spending.of_today() == 0.0
    book.spending.record("r1", "s1", ORCHARD, 2.75, before=0.0)
    assert book.spending.of_today() == pytest.approx(0.75)
    assert book.spending.of_run("r1") == pytest.approx(2.75)
    on_day(0)
    assert book.spending.of_today() == pytest.approx(3.0)


def test_work_in_a_worktree_counts_to_its_project(book: BudgetBook, tmp_path: Path) -> None:
    worktrees = ORCHARD / ".claude" / "worktrees"
    book.set_limits(Limits(project=1.0))
    book.spending.record("r1", "s1", worktrees / "apples", 1.0, before=0.0)
    assert (book.spending.of_today(ORCHARD), book.spending.of_today(worktrees / "pears")) == (
        1.0,
        1.0,
    )
    for folder in (ORCHARD, worktrees / "pears"):
        with pytest.raises(BudgetReached):
            book.check("s2", folder)
    book.add(Scope.PROJECT, worktrees / "apples", 0.5)
    book.check("s2", ORCHARD)
    # what an earlier version noted
    path = tmp_path / budget_book.SPENDING
    written = path.read_text().replace(str(ORCHARD), str(worktrees / "apples"))
    path.unlink()
    path.write_text(written)
    assert BudgetBook(tmp_path).spending.of_today(ORCHARD) == 1.0


@pytest.mark.parametrize(
    ("path", "project"),
    [
        ("/work/orchard/.claude/worktrees/apples/trees", "/work/orchard/trees"),
        ("/work/orchard/.claude/worktrees", "/work/orchard/.claude/worktrees"),
        ("/work/orchard/.claude/agents/x", "/work/orchard/.claude/agents/x"),
        ("/", "/"),
    ],
)
def test_the_project_of_a_folder_is_without_the_worktree(path: str, project: str) -> None:
    assert project_of(Path(path)) == project


@pytest.mark.parametrize("total", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_cost_that_is_none_is_not_noted(book: BudgetBook, total: float) -> None:
    book.set_limits(Limits(day=2.0))
    book.spending.record("r1", "s1", ORCHARD, total, before=0.0)
    book.spending.record("r1", "s1", ORCHARD, 0.5, before=0.0)
    assert book.spending.of_today() == 0.5
    book.check("s1", ORCHARD)


def test_old_days_and_runs_are_forgotten(
    book: BudgetBook, on_day: Callable[[int], None], tmp_path: Path
) -> None:
    on_day(-spending.DAYS_KEPT - 1)
    book.spending.record("old", "s1", ORCHARD, 2.0, before=0.0)
    on_day(0)
    book.spending.record("new", "s2", ORCHARD, 1.0, before=0.0)
    runs = json.loads((tmp_path / budget_book.SPENDING).read_bytes())["runs"]
    assert list(runs) == ["new"]


def test_a_cost_is_noted_beside_those_of_many_runs_without_reading_them_again(
    book: BudgetBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schedule for every five minutes makes two thousand runs a week."""
    book.set_limits(Limits(day=5.0))
    book.spending.record("r0", "s0", ORCHARD, 0.5, before=0.0)
    parsed, loads = [], bounded_json.loads

    def counted(data: bytes) -> object:
        parsed.append(data)
        return loads(data)

    monkeypatch.setattr(bounded_json, "loads", counted)
    for number in range(1, 5):
        book.spending.record(f"r{number}", "s1", ORCHARD, 0.5, before=0.0)
        assert book.spending.of_today() == 0.5 * (number + 1)
    assert parsed == []
    assert BudgetBook(tmp_path).spending.of_today() == 2.5


def test_a_run_that_comes_back_to_a_session_after_many_days_is_counted_on(
    book: BudgetBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = time.time()
    reports = [("s1", 6.0), *(("s2", 1.0 + day) for day in range(spending.DAYS_KEPT + 3))]
    for day, (session_id, total) in enumerate([*reports, ("s1", 6.5)]):
        monkeypatch.setattr(time, "time", lambda day=day: begun + day * DAY)
        book.spending.record("r1", session_id, ORCHARD, total, before=0.0)
    assert book.spending.of_today() == pytest.approx(0.5)


def test_what_a_run_had_cost_that_did_nothing_for_long_is_not_counted_again() -> None:
    for days, known in ((0, 0.0), (spending.DAYS_KEPT + 1, None)):
        assert before_of("s1", days) == known


def test_a_session_that_was_begun_by_clearing_after_a_long_time_counts_from_zero() -> None:
    days = spending.DAYS_KEPT + 2
    assert before_of("s2", days, {"s2": time.time() - 60}) == 0.0
    # whatever it has cost may have been counted, and be forgotten
    assert before_of("s2", days, {"s2": time.time() - days * DAY}) is None
    assert before_of("s2", days) is None
    assert before_of("s1", days, {"s1": time.time() - 60}) is None


def before_of(session_id: str, days: float, begun_at: dict[str, float] | None = None) -> object:
    """What a session had cost when a run came to it which began in `s1`, so many days ago."""
    before: Any = monitor.BudgetMonitor._before
    book = SimpleNamespace(spending=SimpleNamespace(has_noted=bool))
    watching = SimpleNamespace(_book=book, _begun_at=(begun_at or {}).get)
    created_at = time.time() - days * DAY
    record = SimpleNamespace(history_start=0, session_id="s1", created_at=created_at)
    return before(watching, SimpleNamespace(record=record, id=""), session_id)
