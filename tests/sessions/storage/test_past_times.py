"""Times that were written while the clock was ahead hide nothing once it is right."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.sessions.attention import AttentionList, seen_until
from opcode_htmx.sessions.storage import past_times
from opcode_htmx.sessions.storage.past_times import PastTimes, merged
from opcode_htmx.sessions.storage.read_positions import ReadPositions

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
    assert past.of(NOW + AHEAD) == NOW - 10, "it stays in its place once it has come"
    assert past.of(NOW + AHEAD - 5) == NOW + AHEAD - 5


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
    assert past.is_seen(ended, NOW + 9)
    set_clock(ended + 60)  # the wrong times have come
    assert past.is_seen(ended, NOW + 9)
    assert not past.is_seen(ended, looked)
    assert past.is_seen(looked, ended)
    assert not past.is_seen(ended, NOW - 60)
    assert not past.is_seen(NOW + 11, looked)


def test_few_times_are_kept(set_clock: Callable[[float], None]) -> None:
    past = PastTimes()
    for number in range(past_times.MOST + 5):
        past.of(NOW + 1 + number)
    assert len(past.new) == past_times.MOST
    assert len(merged({NOW + AHEAD: NOW}, past.new)) == past_times.MOST


def test_what_another_worker_noticed_first_stays_until_it_has_come_for_long(
    set_clock: Callable[[float], None],
) -> None:
    at, other = NOW + AHEAD, NOW + AHEAD + 1
    known = {at: NOW - 60}
    assert PastTimes(known).of(at) == NOW - 60
    assert merged(known, {at: NOW, other: NOW, math.inf: NOW}) == {at: NOW - 60, other: NOW}
    assert merged({at: NOW + 60}, {at: NOW}) == {at: NOW}, "the clock was ahead then, too"
    set_clock(at + past_times.KEPT_SECONDS)
    assert merged({at: NOW, other: NOW}, {}) == {other: NOW}


@pytest.fixture
def positions(tmp_path: Path, set_clock: Callable[[float], None]) -> ReadPositions:
    set_clock(NOW - 1000)
    positions = ReadPositions(tmp_path / "marks.json")
    positions.begin()
    set_clock(NOW)
    return positions


def attention(run: Any, positions: ReadPositions) -> AttentionList:
    """As a worker has it."""
    supervisor: Any = SimpleNamespace(
        newest=lambda: [run],
        budgets=SimpleNamespace(hold=lambda _: None),
        viewers=SimpleNamespace(is_viewed=lambda _: False),
    )
    flags: Any = SimpleNamespace(all=dict)
    return AttentionList(supervisor, positions, flags)


def ended_run(outcome: Outcome) -> Any:
    output = SimpleNamespace(exists=lambda: True)
    end = SimpleNamespace(outcome=outcome, cause="It broke.", at=NOW + AHEAD + 1)
    return SimpleNamespace(
        phase=Phase.ENDED,
        state=SimpleNamespace(asks={}),
        record=SimpleNamespace(session_id="one", end=end),
        folder=SimpleNamespace(output=output, last_output=lambda: NOW + AHEAD),
    )


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.COMPLETED])
def test_what_was_seen_stays_so_in_every_worker_and_once_its_time_has_come(
    positions: ReadPositions,
    tmp_path: Path,
    set_clock: Callable[[float], None],
    outcome: Outcome,
) -> None:
    run = ended_run(outcome)
    one = attention(run, positions)
    (item,) = one.all()
    assert item.at == NOW
    set_clock(NOW + 60)
    positions.look("one")
    for at in (NOW + 61, NOW + AHEAD + 3600):
        set_clock(at)
        other = ReadPositions(tmp_path / "marks.json")  # of another worker, or after a restart
        other.begin()
        assert (one.all(), attention(run, other).all()) == ([], [])
    run.record.end.at += 7200  # another one, by the right clock
    run.folder.last_output = lambda: NOW + AHEAD + 3601
    set_clock(NOW + AHEAD + 7300)
    assert len(one.all()) == len(attention(run, other).all()) == 1


def test_what_one_worker_has_shown_is_marked_as_seen_by_another(
    positions: ReadPositions, tmp_path: Path, set_clock: Callable[[float], None]
) -> None:
    run = ended_run(Outcome.COMPLETED)
    until = seen_until(attention(run, positions).all()) / 1000
    set_clock(NOW + 60)
    other = attention(run, ReadPositions(tmp_path / "marks.json"))
    other.count_as_seen(until)
    assert other.all() == []


def test_what_nobody_has_seen_is_new_after_a_restart(
    positions: ReadPositions, tmp_path: Path, set_clock: Callable[[float], None]
) -> None:
    set_clock(NOW + AHEAD - 60)
    positions.look("one")  # before the end, by the same clock
    set_clock(NOW)
    run = ended_run(Outcome.COMPLETED)
    assert len(attention(run, positions).all()) == 1
    set_clock(NOW + 60)
    later = ReadPositions(tmp_path / "marks.json")
    later.begin()
    assert len(attention(run, later).all()) == 1


def test_without_a_time_to_come_the_file_is_as_before(
    positions: ReadPositions, tmp_path: Path
) -> None:
    run = ended_run(Outcome.COMPLETED)
    run.record.end.at = NOW - 5
    run.folder.last_output = lambda: NOW - 6
    path = tmp_path / "marks.json"
    before = path.read_bytes()
    assert len(attention(run, positions).all()) == 1
    assert path.read_bytes() == before
    positions.look("two")
    assert json.loads(path.read_bytes()).keys() == {"version", "since", "sessions"}


@pytest.mark.parametrize("wrong", ["soon", None, True, [], {}, math.nan, math.inf, -1, 10**400])
def test_damaged_positions_are_left_out_and_the_others_kept(
    tmp_path: Path, set_clock: Callable[[float], None], caplog: pytest.LogCaptureFixture, wrong: Any
) -> None:
    path, good = tmp_path / "marks.json", {"block": "b-7", "at": NOW - 60}
    sessions = {"one": good, "two": {"block": "", "at": wrong}, "three": {"block": 3, "at": 4}}
    noticed = [[NOW + AHEAD, NOW - 60], [NOW + AHEAD + 1, wrong], wrong]
    content = {"since": wrong, "sessions": {**sessions, "four": wrong}, "noticed": noticed}
    path.write_text(json.dumps({"version": 1, **content}))
    positions = ReadPositions(path)
    positions.begin()
    assert positions.of("one").block == "b-7"
    assert (positions.seen()("one"), positions.since) == (NOW - 60, NOW - 60)
    assert positions.of("two").block == positions.of("three").block == ""
    assert positions.past().of(NOW + AHEAD) == NOW - 60
    assert positions.seen()("three") == 4, "field by field"
    assert len(caplog.records) == 1, "once"
    damaged = path.read_bytes()
    positions.look("two")
    assert ReadPositions(path).seen()("two") == NOW
    (kept,) = tmp_path.glob("marks.json.unreadable-*")
    assert kept.read_bytes() == damaged
