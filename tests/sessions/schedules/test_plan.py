"""What happens at a point in time: one start at most, and what was missed is stated."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from opcode_htmx.sessions.schedules.plan import GRACE_SECONDS, MOST_COUNTED, Plan, plan
from opcode_htmx.sessions.schedules.timing import Kind, Timing, Unit, checked, once
from tests.sessions.schedules.test_timing import at

HOURLY = checked(Timing(Kind.EVERY, "UTC", at="2026-11-30T00:00", every=1, unit=Unit.HOURS))
NOON = at("2026-11-30T12:00")


def planned(handled: float, now: float, *, catch_up: bool = False, timing: Timing = HOURLY) -> Plan:
    return plan(timing, handled, now, catch_up=catch_up)


def test_nothing_happens_before_the_time() -> None:
    found = planned(NOON - 100, NOON - 1)
    assert (found.due, found.missed, found.handled) == (None, None, NOON - 1)


@pytest.mark.parametrize("late", [0.0, 1.0, GRACE_SECONDS - 1])
def test_what_is_due_is_started_once(late: float) -> None:
    found = planned(NOON - 100, NOON + late)
    assert (found.due, found.missed) == (NOON, None)
    assert planned(NOON, NOON + late + 1).due is None
    assert planned(found.handled, NOON + late + 1).due is None


def test_what_was_missed_is_stated_and_not_started() -> None:
    found = planned(NOON - 100, NOON + 3 * 3600 + 1000)
    assert found.due is None
    assert found.missed
    assert (found.missed.first, found.missed.last) == (NOON, NOON + 3 * 3600)
    assert found.missed.words == "4 times"
    assert planned(found.handled, found.handled + 1) == Plan(found.handled + 1)


def test_missed_times_are_caught_up_by_one_start_if_that_is_chosen() -> None:
    found = planned(NOON - 100, NOON + 3 * 3600 + 1000, catch_up=True)
    assert found.due == NOON + 3 * 3600
    assert planned(found.handled, found.handled + 1, catch_up=True).due is None


def test_a_start_on_time_stands_for_those_that_were_missed() -> None:
    for catch_up in (False, True):
        found = planned(NOON - 100, NOON + 2 * 3600 + 5, catch_up=catch_up)
        assert found.due == NOON + 2 * 3600
        assert found.missed
        assert found.missed.number == 2


def test_a_clock_that_was_set_back_starts_nothing_again() -> None:
    assert planned(NOON, NOON - 5000) == Plan(NOON)


def test_once_is_once() -> None:
    timing = once("2026-11-30T12:00", "UTC")
    assert planned(0.0, NOON + 1, timing=timing).due == NOON
    assert planned(NOON, NOON + 10**8, timing=timing).due is None


def test_very_many_missed_times_are_counted_up_to_a_limit() -> None:
    minutely = checked(Timing(Kind.CRON, "Europe/Berlin", expression="* * * * *"))
    found = planned(NOON - 3 * 365 * 86400, NOON, timing=minutely)
    assert found.due == NOON
    assert found.missed
    assert found.missed.words == f"{MOST_COUNTED:,}+ times"


def test_no_due_times_are_computed_beyond_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    computed, due_after = list[float](), Timing.due_after

    def counted(timing: Timing, moment: float) -> Iterator[float]:
        for each in due_after(timing, moment):
            computed.append(each)
            yield each

    monkeypatch.setattr(Timing, "due_after", counted)
    assert planned(NOON - 7200, NOON - 1).missed
    assert max(computed) == NOON


def test_however_often_one_looks_each_time_is_started_or_missed_once() -> None:
    chance = random.Random(17)  # noqa: S311
    for _ in range(50):
        now, handled, started, missed = NOON - 3600, NOON - 3600, list[float](), 0
        while now < NOON + 40 * 3600:
            # a second, some minutes without a server, hours without one
            now += chance.choice([1.0] * 30 + [600.0, 5000.0, 20000.0])
            found = planned(handled, now)
            if found.missed:
                missed += found.missed.number
            started += [found.due] if found.due is not None else []
            handled = found.handled
        assert started == sorted(set(started))
        passed = [each for each in HOURLY.next(NOON - 3600, 100) if each <= now]
        assert len(started) + missed == len(passed)
