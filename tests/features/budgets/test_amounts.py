"""A budget is an amount that a run can stay within."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from opcode_htmx.features.budgets.api import NewBudgets, endpoints
from opcode_htmx.features.budgets.service import InvalidBudget, amount, check
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Limits


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("", None),
        ("2.50", 2.5),
        ("$2,5", 2.5),
        ("$ 3", 3.0),
        ("0.01", 0.01),
        (".5", 0.5),
        ("5.", 5.0),
        ("0.125", 0.125),
    ],
)
def test_a_budget_is_read_as_it_is_written(text: str, budget: float | None) -> None:
    assert amount(text) == budget


@pytest.mark.parametrize(
    "text", ["0", "-1", "0.009", "1e3", "100001", "two", "1,234", "1,234.50", ".", "nan", "٣"]
)
def test_an_amount_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(InvalidBudget):
        amount(text)


def test_limits_below_a_cent_are_refused() -> None:
    check(Limits())
    check(Limits(0.01, 0.01, 0.01))
    for limits in (Limits(run=0.009), Limits(day=0.009), Limits(project=0.009)):
        with pytest.raises(InvalidBudget, match=r"at least \$0\.01"):
            check(limits)


def _no_decision() -> NoReturn:
    raise AssertionError


def test_the_api_refuses_them_too(tmp_path: Path) -> None:
    book = BudgetBook(tmp_path)
    (save,) = (each for each in endpoints(book, _no_decision) if each.method == "PUT")
    with pytest.raises(InvalidBudget):
        save.handler(NewBudgets(run=None, day=0.001, project=None))
    assert book.limits == Limits()
