"""The order of runs holds where one of them began while the clock was ahead."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from opcode_htmx.runs import order

NOW = 1_795_277_175.0
AHEAD = NOW + 86_400


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


def run(name: str, created_at: float, history_start: int = 0, *, live: bool = False) -> Any:
    record = SimpleNamespace(created_at=created_at, history_start=history_start)
    return SimpleNamespace(id=name, record=record, live=live)


def in_order(*runs: Any) -> str:
    found = list(runs)
    order.sort_session(found)
    return "".join(each.id for each in found)


def test_runs_are_sorted_by_their_time() -> None:
    assert in_order(run("b", NOW - 1, 5), run("a", NOW - 2, 5), run("c", NOW, 9)) == "abc"
    assert in_order() == ""


def test_a_run_of_a_wrong_clock_stands_where_the_session_was_as_long() -> None:
    first, last = run("a", NOW - 60), run("d", NOW - 10, 300, live=True)
    wrong = run("b", AHEAD, 100), run("c", AHEAD + 5, 200)
    assert in_order(last, *wrong, first) == "abcd"
    assert in_order(*wrong, first) == "abc"
    assert in_order(*reversed(wrong)) == "bc"


def test_runs_of_all_sessions_that_began_now_come_before_those_of_a_wrong_clock() -> None:
    runs = [run("a", NOW - 60), run("c", AHEAD), run("b", NOW - 1), run("d", AHEAD + 5)]
    assert "".join(each.id for each in order.newest_first(runs)) == "badc"


def test_a_live_run_is_the_newest_whatever_the_clock_said() -> None:
    assert in_order(run("b", AHEAD, 0, live=True), run("a", NOW - 60, 0)) == "ab"
    assert in_order(run("a", AHEAD, 0), run("b", NOW - 60, 0, live=True)) == "ab"


@pytest.mark.parametrize("now", [NOW, AHEAD + 60])
def test_the_order_stays_once_the_wrong_time_has_come(
    monkeypatch: pytest.MonkeyPatch, now: float
) -> None:
    monkeypatch.setattr(time, "time", lambda: now)
    wrong, sure = run("a", AHEAD, 0), run("b", NOW - 60, 500)
    assert in_order(wrong, sure) == in_order(sure, wrong) == "ab"
    assert in_order(run("c", NOW - 30, 0, live=True), sure, wrong) == "abc"


def test_a_run_that_waits_since_before_the_clock_was_set_comes_first() -> None:
    waiting = [run("b", NOW - 2), run("c", NOW - 1), run("a", AHEAD)]
    assert [each.id for each in order.first_come(waiting)] == ["a", "b", "c"]
