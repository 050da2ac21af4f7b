"""What a round decides is noted at once, and once, whatever became of files and clocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from opcode_htmx.sessions.schedules import runner as runner_module
from opcode_htmx.sessions.schedules.model import Occurrence, Schedule, State, Work
from opcode_htmx.sessions.schedules.plan import MOST_COUNTED, plan
from opcode_htmx.sessions.schedules.runner import ScheduleRunner, Services
from opcode_htmx.sessions.schedules.starts import starting
from opcode_htmx.sessions.schedules.store import MOST, ScheduleStore
from opcode_htmx.sessions.schedules.timing import Kind, Timing

ID = "5" * 32
DAY = 86400.0
MINUTELY = Timing(Kind.CRON, "UTC", expression="* * * * *")
SCHEDULE = Schedule(ID, Work("/work/orchard", "Water the trees"), MINUTELY, created_at=1.0)


@pytest.fixture
def store(tmp_path: Path) -> ScheduleStore:
    return ScheduleStore(tmp_path / "schedules", tmp_path / "schedule_runs")


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[Occurrence]:
    """The starts that the runner makes; they come no farther."""
    found = list[Occurrence]()
    spawn = SimpleNamespace(spawn=lambda _send, _schedule, noted: found.append(noted))
    monkeypatch.setattr(runner_module, "gevent", spawn)
    return found


def runner_of(store: ScheduleStore) -> ScheduleRunner:
    return ScheduleRunner(store, cast("Services", None))


def states(store: ScheduleStore) -> list[State]:
    return [each.state for each in store.progress(ID).occurrences]


@pytest.mark.parametrize("is_open", [False, True])
def test_very_many_missed_times_are_noted_and_caught_up_once(
    store: ScheduleStore, spawned: list[Occurrence], is_open: bool
) -> None:
    now = time.time()
    schedule = replace(SCHEDULE, catch_up=True)
    store.add(schedule, now - 3 * 60 * MOST_COUNTED)
    if is_open:
        store.note(ID, replace(starting(schedule, 60.0), state=State.RUNNING, at=1.0))
    before = states(store)
    runner = runner_of(store)
    runner._start_due(schedule, now)
    assert store.progress(ID).handled == now
    runner._start_due(schedule, now)
    last = State.SKIPPED if is_open else State.STARTING
    assert states(store) == [*before, State.MISSED, last]
    assert len(spawned) == (0 if is_open else 1)


@pytest.mark.parametrize("change", ["delete", "pause", "edit"])
def test_a_schedule_that_was_changed_during_a_round_is_not_started(
    store: ScheduleStore, spawned: list[Occurrence], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    now = time.time()
    store.add(SCHEDULE, now - 61)

    def changing(*arguments: Any, **options: Any) -> Any:
        if change == "delete":
            store.delete(ID)
        else:
            changes: dict[str, Any] = {"pause": {"paused": True}, "edit": {"name": "Water"}}
            store.change(ID, lambda each: replace(each, **changes[change]))
        return plan(*arguments, **options)

    monkeypatch.setattr(runner_module, "plan", changing)
    runner_of(store)._start_due(SCHEDULE, now)
    assert (spawned, states(store)) == ([], [])
    assert len(list(store.folder.with_name("schedule_runs").iterdir())) == (change != "delete")


@pytest.mark.parametrize(
    ("created_ago", "missed"), [(10 * 60.0, True), (-DAY, False), (None, False)]
)
def test_a_lost_file_counts_from_when_the_schedule_was_made(
    store: ScheduleStore, spawned: list[Occurrence], created_ago: float | None, missed: bool
) -> None:
    now = time.time()
    created_at = 0.0 if created_ago is None else now - created_ago
    schedule = replace(SCHEDULE, created_at=created_at)
    store.add(schedule, 0.0)
    runner_of(store)._start_due(schedule, now)
    assert store.progress(ID).handled == now
    assert (State.MISSED in states(store)) == missed
    assert all(each.missed <= 10 for each in store.progress(ID).occurrences)
    assert len(spawned) == (1 if missed else 0)


@pytest.mark.parametrize(("ahead", "mended"), [(DAY + 60, True), (DAY - 60, False)])
def test_a_clock_that_had_jumped_ahead_is_forgotten(
    store: ScheduleStore, spawned: list[Occurrence], ahead: float, mended: bool
) -> None:
    now = time.time()
    store.add(SCHEDULE, now + ahead)
    runner_of(store)._start_due(SCHEDULE, now)
    assert store.progress(ID).handled == (now if mended else now + ahead)
    assert spawned == []


def test_the_end_of_a_turn_is_not_overwritten(store: ScheduleStore) -> None:
    store.add(SCHEDULE, 1.0)
    seen = replace(starting(SCHEDULE, 60.0), state=State.RUNNING)
    done = replace(seen, state=State.DONE, cost_usd=0.5, ended_at=70.0)
    store.note(ID, done)
    runner_of(store)._end(SCHEDULE, seen, State.STOPPED, "Stopped.")
    assert store.progress(ID).occurrences == (done,)


def test_rounds_compute_due_times_only_after_a_change(
    store: ScheduleStore, spawned: list[Occurrence], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred schedules are looked at each second."""
    asked, due_after = [], Timing.due_after
    yearly = Timing(Kind.CRON, "Europe/Berlin", expression="0 7 29 2 *")

    def counted(timing: Timing, moment: float) -> Iterator[float]:
        asked.append(timing)
        return due_after(timing, moment)

    now = time.time()
    for number in range(MOST):
        store.add(replace(SCHEDULE, id=f"{number:032x}", timing=yearly), now)
    monkeypatch.setattr(Timing, "due_after", counted)
    runner = runner_of(store)
    runner.round()
    assert len(asked) == MOST
    runner.round()
    assert len(asked) == MOST
    store.change(f"{7:032x}", lambda each: replace(each, timing=MINUTELY), handled=now - 61)
    runner.round()
    assert len(spawned) == 1
    assert len(asked) < MOST + 10
