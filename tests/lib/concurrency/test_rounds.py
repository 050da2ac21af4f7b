"""Work that is done again and again in one schedule, which sleeps while it is not needed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from opcode_htmx.lib.concurrency.rounds import Rounds
from tests.support.cli.supervision import until


class Needed:
    def __init__(self) -> None:
        self.value = True
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.value


@pytest.fixture
def needed() -> Needed:
    return Needed()


@pytest.fixture
def rounds(needed: Needed) -> Iterator[Rounds]:
    rounds = Rounds(needed)
    rounds.start()
    yield rounds
    rounds.close()


def test_work_is_done_again_after_its_time(rounds: Rounds) -> None:
    done: list[float] = []
    began = time.monotonic()
    rounds.add("look", lambda: 0.05, lambda: done.append(time.monotonic()))
    until(lambda: len(done) >= 4, "it is done again")
    assert done[3] - began >= 0.1  # the first one comes at once, the second one soon


def test_tasks_are_due_together(rounds: Rounds, needed: Needed) -> None:
    done: dict[str, list[int]] = {"often": [], "seldom": []}  # in which rounds
    rounds.add("look often", lambda: 0.1, lambda: done["often"].append(needed.asked))
    rounds.add("look seldom", lambda: 0.2, lambda: done["seldom"].append(needed.asked))
    until(lambda: len(done["seldom"]) >= 4, "both are done")
    assert set(done["seldom"][1:]) <= set(done["often"])


def test_schedule_sleeps_until_it_is_needed(rounds: Rounds, needed: Needed) -> None:
    needed.value = False
    done: list[str] = []
    rounds.add("look", lambda: 0.01, lambda: done.append("looked"))
    gevent.sleep(0.05)
    asked = needed.asked
    gevent.sleep(0.2)
    assert not done
    assert needed.asked == asked  # nothing has woken it
    needed.value = True
    rounds.wake()
    until(lambda: len(done) > 2, "it goes on")


def test_work_that_blocks_or_fails_delays_no_other(
    rounds: Rounds, caplog: pytest.LogCaptureFixture
) -> None:
    never, blocked, done = Event(), list[str](), list[str]()

    def block() -> None:
        blocked.append("here")
        never.wait()

    def fail() -> None:
        raise ValueError("not now")

    rounds.add("wait", lambda: 0.01, block)
    rounds.add("fail", lambda: 0.01, fail)
    rounds.add("look", lambda: 0.01, lambda: done.append("looked"))
    until(lambda: len(done) > 5, "the other one goes on")
    assert blocked == ["here"]
    assert "could not fail" in caplog.text
    never.set()
    until(lambda: len(blocked) > 1, "it is begun again once it has come to its end")


def test_closed_schedule_does_nothing(needed: Needed) -> None:
    rounds, done = Rounds(needed), list[str]()
    rounds.add("look", lambda: 0.01, lambda: done.append("looked"))
    rounds.start()
    until(lambda: done, "it is done")
    rounds.close()
    count = len(done)
    gevent.sleep(0.05)
    assert len(done) == count
