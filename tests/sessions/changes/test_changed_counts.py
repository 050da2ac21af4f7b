"""The number of changed files is shown as it is known, and counted again after a change."""

from __future__ import annotations

import gevent
import pytest

from opcode_htmx.sessions.changes import counts
from opcode_htmx.sessions.changes.counts import ChangedCounts
from tests.support.environment import until


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "SOONEST", 0.0)
    monkeypatch.setattr(counts, "EVERY", 0.01)


def wait(found: list[str], number: int) -> None:
    until(lambda: len(found) >= number, f"counted {number} times", sleep=lambda: gevent.sleep(0.01))


def test_a_number_is_counted_in_the_background_and_told_when_it_is_another() -> None:
    known, counted = ChangedCounts(), list[str]()

    def count(session_id: str) -> None:
        counted.append(session_id)
        assert known.note(session_id, 3)
        assert not known.note(session_id, 3)

    known.counted_by(count)
    assert known.of("a", 1) == 0
    wait(counted, 1)
    assert (known.of("a", 1), known.of("b", 1)) == (3, 0)


def test_it_is_counted_once_for_each_version_of_the_session() -> None:
    known, counted = ChangedCounts(), list[str]()
    known.counted_by(counted.append)
    for _ in range(20):
        known.of("a", 1)
    wait(counted, 1)
    gevent.sleep(0.05)
    assert counted == ["a"]
    for version in range(2, 5):  # all within one count: the last one is counted, too
        known.of("a", version)
    wait(counted, 2)
    gevent.sleep(0.05)
    assert len(counted) <= 3


def test_nobody_counts_without_the_pages_of_changes() -> None:
    assert ChangedCounts().of("a", 1) == 0


def test_a_count_that_is_behind_is_made_again() -> None:
    known, counted = ChangedCounts(), list[str]()

    def count(session_id: str) -> bool:
        counted.append(session_id)
        return len(counted) < 3

    known.counted_by(count)
    known.of("a", 1)
    wait(counted, 3)
    gevent.sleep(0.05)
    assert len(counted) == 3
