"""What is noted of costs counts once, by day and project; budgets hold prompts until a decision."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from opcode_htmx.lib import bounded_json
from opcode_htmx.runs.budgets import book as budget_book
from opcode_htmx.runs.budgets import spending
from opcode_htmx.runs.budgets.book import BudgetBook, BudgetReached
from opcode_htmx.runs.budgets.figures import (
    Hold,
    Kept,
    Limits,
    Scope,
    Standing,
    as_typed,
    day_of,
    dollars,
    limit_words,
    project_of,
)

ORCHARD, MEADOW = Path("/work/orchard"), Path("/work/meadow")
DAY = 86400


@pytest.fixture
def book(tmp_path: Path) -> BudgetBook:
    return BudgetBook(tmp_path)


@pytest.fixture
def on_day(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the day, in days from now, by which costs are noted."""

    def set_day(number: int) -> None:
        now = time.time() + number * DAY
        monkeypatch.setattr(spending, "today", lambda: day_of(now))

    return set_day


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


@pytest.mark.parametrize(
    ("spent", "near", "reached"),
    [(0.0, False, False), (1.59, False, False), (1.6, True, False), (2.0, True, True)],
)
def test_a_budget_is_near_at_80_percent_and_reached_at_100(
    spent: float, near: bool, reached: bool
) -> None:
    standing = Standing(Scope.RUN, spent, 2.0)
    assert (standing.is_near, standing.is_reached) == (near, reached)


def test_by_default_there_is_no_budget(book: BudgetBook, tmp_path: Path) -> None:
    book.spending.record("r1", "s1", ORCHARD, 10_000.0, before=0.0)
    assert book.standings("r1", ORCHARD) == []
    book.check("s1", ORCHARD)
    assert not (tmp_path / budget_book.LIMITS).exists()


def test_a_day_that_is_used_refuses_every_prompt_until_more_is_allowed(
    book: BudgetBook, on_day: Callable[[int], None]
) -> None:
    book.set_limits(Limits(day=2.0))
    book.spending.record("r1", "s1", ORCHARD, 2.0, before=0.0)
    with pytest.raises(
        BudgetReached, match=r"The \$2.00 for the day is used up\. Allow more under Budgets, or"
    ):
        book.check("s2", MEADOW)
    book.add(Scope.DAY, MEADOW, 1.0)
    book.check("s2", MEADOW)
    book.spending.record("r1", "s1", ORCHARD, 3.0, before=0.0)
    with pytest.raises(BudgetReached):
        book.check("s2", MEADOW)
    on_day(1)
    book.check("s2", MEADOW)
    (tomorrow,) = book.standings("r2", MEADOW)
    assert tomorrow.limit == 2.0


def test_the_budget_of_a_project_is_its_own(book: BudgetBook) -> None:
    book.set_limits(Limits(project=1.0))
    book.spending.record("r1", "s1", ORCHARD, 1.0, before=0.0)
    book.check("s2", MEADOW)
    with pytest.raises(BudgetReached):
        book.check("s2", ORCHARD)
    book.add(Scope.PROJECT, ORCHARD, 0.5)
    book.check("s2", ORCHARD)


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


HOSTILE_LIMITS = [
    f'{{"day": {value}, "extra": {{}}}}'
    for value in ("NaN", "Infinity", "-1", "1e300", f"1{'0' * 400}", '"5"', "true", "[]", "{}")
]
HOSTILE_EXTRAS = [f'{{"day": 2, "extra": {{"2026-11-29": {value}}}}}' for value in ("NaN", "-1e9")]
HOSTILE_RUNS = [
    '{"runs": {"r1": {"session_id": "s1", "project": "/work/orchard", "total": 1,'
    f' "spent": {value}, "days": []}}}}}}'
    for value in ("NaN", "Infinity", "-3", f"1{'0' * 400}", '"4"', "null", "true")
]
DAMAGED = ["{", '{"version": 99}', "[]"]


@pytest.mark.parametrize("damaged", [*DAMAGED, *HOSTILE_LIMITS, *HOSTILE_EXTRAS])
def test_limits_that_cannot_be_read_hold_every_prompt_until_they_are_set_again(
    book: BudgetBook, tmp_path: Path, damaged: str
) -> None:
    path = tmp_path / budget_book.LIMITS
    path.write_text(damaged)
    with pytest.raises(BudgetReached, match="The budgets cannot be read"):
        book.check("s1", ORCHARD)
    with pytest.raises(BudgetReached, match="The budgets cannot be read"):
        book.add(Scope.DAY, ORCHARD, 1.0)
    assert path.read_text() == damaged
    book.set_limits(Limits(day=2.0))
    book.check("s1", ORCHARD)


@pytest.mark.parametrize("damaged", [*DAMAGED, *HOSTILE_RUNS])
def test_spending_that_cannot_be_read_holds_every_prompt_and_is_kept(
    book: BudgetBook, tmp_path: Path, damaged: str
) -> None:
    path = tmp_path / budget_book.SPENDING
    path.write_text(damaged)
    book.check("s1", ORCHARD)  # without a budget there is nothing to hold
    book.set_limits(Limits(day=2.0))
    path.unlink()
    path.write_text(damaged)
    book.spending.record("r1", "s1", ORCHARD, 1.0, before=0.0)
    assert path.read_text() == damaged
    with pytest.raises(BudgetReached, match="The budgets cannot be read"):
        book.check("s1", ORCHARD)
    book.set_limits(Limits(day=2.0))
    book.spending.record("r1", "s1", ORCHARD, 1.0, before=0.0)
    book.check("s1", ORCHARD)
    assert book.spending.of_today() == 1.0


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
    setting.get(timeout=5)
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


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (2, "$2.00"),
        (1234.5, "$1,234.50"),
        (0.004, "$0.004"),
        (0.0512, "$0.051"),
        (0.05, "$0.05"),
        (0, "$0.00"),
    ],
)
def test_dollars_have_as_many_digits_as_they_need(amount: float, text: str) -> None:
    assert dollars(amount) == text


@pytest.mark.parametrize(
    ("amount", "typed", "words"),
    [
        (5.0, "5", "$5.00"),
        (2.5, "2.50", "$2.50"),
        (0.01, "0.01", "$0.01"),
        (0.125, "0.125", "$0.125"),
        (0.1 + 0.2, "0.30", "$0.30"),
        (12345.67, "12345.67", "$12,345.67"),
        (100000.0, "100000", "$100,000.00"),
    ],
)
def test_a_budget_is_shown_as_it_was_typed(amount: float, typed: str, words: str) -> None:
    assert (as_typed(amount), limit_words(amount)) == (typed, words)
    assert (
        Standing(Scope.DAY, amount, amount).cause == f"Paused: the {words} for the day is used up."
    )


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
