"""A book of budgets, and the day by which it notes costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.runs.budgets import spending
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.ledger import day_of
from tests.runs.budgets.projects import DAY


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
