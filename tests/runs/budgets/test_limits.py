"""A budget that is used up refuses prompts; so does one that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.runs.budgets import book as budget_book
from opcode_htmx.runs.budgets.amounts import as_typed, dollars, limit_words
from opcode_htmx.runs.budgets.book import BudgetBook, BudgetReached
from opcode_htmx.runs.budgets.figures import Limits, Scope, Standing
from tests.runs.budgets.projects import DAMAGED, MEADOW, ORCHARD


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
