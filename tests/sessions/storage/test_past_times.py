"""Times that were written while the clock was ahead hide nothing once it is right."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from opcode_htmx.sessions.storage import past_times
from opcode_htmx.sessions.storage.past_times import PastTimes

NOW, AHEAD = 1_795_277_175.0, 86_400.0


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def set_to(at: float) -> None:
        monkeypatch.setattr(time, "time", lambda: at)

    set_to(NOW)
    return set_to


def test_a_time_to_come_counts_as_when_it_was_noticed(set_clock: Callable[[float], None]) -> None:
    past = PastTimes()
    assert past.of(NOW - 1) == NOW - 1
    assert past.of(NOW + AHEAD) == NOW
    set_clock(NOW + 10)
    assert past.of(NOW + AHEAD) == NOW
    assert past.of(NOW + AHEAD + 1) == NOW + 10
    set_clock(NOW - 10)  # it was still ahead
    assert past.of(NOW + AHEAD) == NOW - 10
    set_clock(NOW + AHEAD)
    assert past.of(NOW + AHEAD) == NOW + AHEAD


def test_what_ended_is_seen_by_the_first_look_after_it_whatever_the_clock_said(
    set_clock: Callable[[float], None],
) -> None:
    past, looked, ended = PastTimes(), NOW + AHEAD, NOW + AHEAD + 5
    assert not past.is_seen(ended, looked)
    assert past.is_seen(looked, ended)
    assert not past.is_seen(ended, NOW - 60), "nobody has looked since"
    set_clock(NOW + 10)
    assert past.is_seen(ended, NOW + 9), "a look with the right clock"
    assert past.is_seen(NOW - 5, looked)
    set_clock(NOW + 20)
    assert not past.is_seen(NOW + 11, looked), "what ends after the clock was set is new"


def test_few_times_are_kept(set_clock: Callable[[float], None]) -> None:
    past = PastTimes()
    for number in range(past_times.MOST + 5):
        past.of(NOW + 1 + number)
    assert len(past._noticed) == past_times.MOST
