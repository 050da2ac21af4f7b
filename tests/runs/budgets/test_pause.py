"""A pause holds the session that a run was started for, and the one that Claude is in."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from opcode_htmx.runs.budgets import book as budget_book
from opcode_htmx.runs.budgets import monitor
from opcode_htmx.runs.budgets.book import BudgetBook, BudgetReached
from opcode_htmx.runs.budgets.figures import Limits, Scope, Standing
from opcode_htmx.runs.model.lifecycle import Phase

ORCHARD = Path("/work/orchard")
USED = Standing(Scope.RUN, 2.0, 1.0)


def run(session_id: str, now_in: str) -> Any:
    return SimpleNamespace(
        id="r1",
        record=SimpleNamespace(session_id=session_id, project_path=str(ORCHARD)),
        state=SimpleNamespace(session_id=now_in),
        warn=lambda *_: None,
        stop=lambda *_, **__: None,
    )


def go_on(book: BudgetBook, session_id: str) -> bool:
    hold = book.hold(session_id)
    return hold is not None and book.go_on(session_id, hold, ORCHARD)


@pytest.mark.parametrize("decided_in", ["s1", "s2"])
@pytest.mark.parametrize("decide", [BudgetBook.release, go_on])
def test_both_sessions_are_held_until_a_person_decides_in_either(
    book: BudgetBook, decide: Callable[[BudgetBook, str], bool], decided_in: str
) -> None:
    book.set_hold("s3", "r3", USED)
    monitor.pause(book, run("s1", "s2"), USED, was_working=True)
    for each in ("s1", "s2"):
        with pytest.raises(BudgetReached):
            book.check(each, ORCHARD)
    assert decide(book, decided_in)
    for each in ("s1", "s2"):
        book.check(each, ORCHARD)
        assert not decide(book, each), "decided on another phone"
    assert book.hold("s3"), "of another run"


def test_both_sessions_are_free_once_the_budget_is_cleared(book: BudgetBook) -> None:
    book.set_limits(Limits(run=1.0))
    monitor.pause(book, run("s1", "s2"), USED, was_working=True)
    book.set_limits(Limits())
    assert (book.hold("s1"), book.hold("s2")) == (None, None)


@pytest.mark.parametrize("now_in", ["", "s1", "../s2", "x" * 300])
def test_what_is_no_name_of_another_session_is_not_held(
    book: BudgetBook, tmp_path: Path, now_in: str
) -> None:
    monitor.pause(book, run("s1", now_in), USED, was_working=True)
    assert [path.name for path in tmp_path.rglob("*.json")] == ["s1.json"]
    assert (tmp_path / budget_book.HOLDS / "s1.json").exists()


def test_a_run_that_waits_for_a_person_is_asked_what_it_costs_once(
    book: BudgetBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(
        monitor, "time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time)
    )
    book.set_limits(Limits(day=2.0))
    waiting, asked = run("s1", "s1"), list[float]()
    vars(waiting).update(phase=Phase.WAITING, resting=False, owner=1, changes=0, read_to=100)
    waiting.record.created_at, waiting.record.history_start = time.time(), 0

    def ask(_: object) -> float:
        asked.append(clock.now)
        waiting.read_to += 50  # the answer is in its output
        return 0.5

    watch = monitor.BudgetMonitor(
        book, lambda: [waiting], lambda _: waiting, ask, lambda _: None, lambda _: None
    )

    def rounds() -> None:
        for _ in range(5):
            clock.now += 2 * monitor.ASK_SECONDS
            watch.round()
            gevent.sleep(0)

    rounds()
    assert len(asked) == 1
    waiting.read_to += 10  # Claude has written more
    rounds()
    assert len(asked) == 2
