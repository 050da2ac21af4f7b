"""Ticks: what is due about once a second is done in one wake-up."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from opcode_htmx.lib.concurrency import rounds
from opcode_htmx.lib.concurrency.rounds import Rounds, Ticks
from tests.support.environment import PATIENCE


class Clock:
    """Stands in for the module `time`."""

    now = 1000.25

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(rounds, "time", made)
    return made


def let_run() -> None:
    for _ in range(5):
        gevent.sleep(0)


def sleeper(made: Ticks, seconds: float, notes: list[float]) -> gevent.Greenlet[[], None]:
    def sleep() -> None:
        made.sleep(seconds)
        notes.append(seconds)

    greenlet = gevent.spawn(sleep)
    let_run()
    return greenlet


def test_each_is_woken_by_the_tick_that_is_nearest_to_its_time(clock: Clock) -> None:
    made, notes = Ticks(), list[float]()
    made.tick()
    greenlets = [sleeper(made, seconds, notes) for seconds in (1.0, 1.4, 2.0, 2.6)]
    by_tick = []
    for _ in range(3):
        clock.now += 1.001
        made.tick()
        let_run()
        by_tick.append(list(notes))
        notes.clear()
    assert by_tick == [[1.0, 1.4], [2.0], [2.6]]
    assert all(each.ready() for each in greenlets)


def test_an_event_that_is_set_ends_the_wait_before_the_tick(clock: Clock) -> None:
    made, event, notes = Ticks(), Event(), list[str]()
    made.tick()

    def wait() -> None:
        made.wait(event, 5.0)
        notes.append("over")

    gevent.spawn(wait)
    let_run()
    assert notes == []
    event.set()
    let_run()
    assert notes == ["over"]
    made.tick()  # nobody is left to be woken


def test_without_ticks_it_sleeps_as_long_as_it_was_asked_to(clock: Clock) -> None:
    made, notes = Ticks(), list[float]()
    sleeper(made, 0.6, notes).join(PATIENCE)
    assert notes == [0.6]


def test_ticks_that_end_delay_nobody_for_long(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(rounds, "EARLY", 0.005)
    made, notes = Ticks(), list[float]()
    made.tick()
    sleeper(made, 0.02, notes).join(PATIENCE)
    assert notes == [0.02]


def test_a_task_of_a_round_is_done_once_for_each_of_its_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the tick comes before its time: it is not done again by the next one."""
    clock, made, notes = Clock(), Ticks(), list[float]()
    monkeypatch.setattr(rounds, "time", clock)
    monkeypatch.setattr(rounds, "TICKS", made)
    clock.now = 1000.7
    made.tick()
    looked_after = Rounds(lambda: True)
    looked_after.add("count", lambda: 3.0, lambda: notes.append(clock.now))
    looked_after.start()
    let_run()
    for _ in range(12):
        clock.now += 1.0
        made.tick()
        let_run()
    looked_after.close()
    times = [round(each - 1000.7) for each in notes]
    assert times == [0, 1, 4, 7, 10], "once at its start, then every three seconds"


def test_what_sleeps_for_less_than_a_tick_sleeps_for_all_of_it(clock: Clock) -> None:
    made, notes = Ticks(), list[float]()
    made.tick()
    greenlet = sleeper(made, 0.6, notes)
    clock.now += 0.2
    made.tick()
    let_run()
    assert notes == []
    greenlet.join(PATIENCE)
    assert notes == [0.6]


@pytest.mark.parametrize("seconds", [0.1, 0.7, 1.0, 1.1, 2.2, 3.0])
def test_a_task_is_due_later_after_each_time_also_where_it_is_rounded(seconds: float) -> None:
    task = rounds._Task("count", lambda: seconds, lambda: None)
    for number in range(1000, 2000):
        task.due = before = number * seconds
        task.plan(before - task.early)
        assert before < task.due < before + 1.01 * seconds
