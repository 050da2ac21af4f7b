"""The files of schedules: shared by workers, readable by other versions, with bounded history."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from opcode_htmx.lib.identity import owner
from opcode_htmx.sessions.schedules.model import (
    KEPT,
    Occurrence,
    Progress,
    Schedule,
    State,
    Work,
    limit_schedule_id,
    prompt_id_of,
    session_id_of,
)
from opcode_htmx.sessions.schedules.store import NoSuchSchedule, ScheduleStore
from opcode_htmx.sessions.schedules.timing import Kind, Timing, once

ID = "5" * 32
WORK = Work("/work/orchard", "Water the trees", "s1", model="opus")
SCHEDULE = Schedule(
    ID, WORK, once("2026-11-30T07:00", "Europe/Berlin"), "Water", by=owner("sam"), created_at=1.0
)


@pytest.fixture
def store(tmp_path: Path) -> ScheduleStore:
    return ScheduleStore(tmp_path / "schedules", tmp_path / "schedule_runs")


def other(store: ScheduleStore) -> ScheduleStore:
    """That of another worker."""
    return ScheduleStore(store.folder, store.folder.with_name("schedule_runs"))


def test_what_is_kept_is_read_as_it_was(store: ScheduleStore) -> None:
    cron = replace(SCHEDULE, id="6" * 32, timing=Timing(Kind.CRON, "UTC", expression="0 7 * * *"))
    assert store.all() == []
    assert store.add(SCHEDULE, 5.0)
    assert store.add(cron, 5.0)
    assert other(store).all() == [SCHEDULE, cron]
    assert other(store).get(ID) == SCHEDULE
    assert other(store).progress(ID).handled == 5.0
    assert store.of_session("s1") == [SCHEDULE, cron]
    assert store.of_session("s2") == []


def test_the_same_schedule_is_kept_once(store: ScheduleStore) -> None:
    assert store.add(SCHEDULE, 5.0)
    assert not other(store).add(replace(SCHEDULE, name="Another"), 9.0)
    assert (store.get(ID).name, store.progress(ID).handled) == ("Water", 5.0)


def test_a_change_and_a_decision_do_not_undo_each_other(store: ScheduleStore) -> None:
    store.add(SCHEDULE, 5.0)
    first, second = other(store), other(store)
    first.get(ID)
    second.note(ID, Occurrence(6.0, State.RUNNING, 6.0, "s1", "p1"), handled=6.0)
    first.change(ID, lambda each: replace(each, paused=True))
    assert store.get(ID).paused
    assert store.progress(ID).handled == 6.0
    assert [each.prompt_id for each in store.progress(ID).open] == ["p1"]


def test_a_later_note_of_a_prompt_replaces_the_one_before(store: ScheduleStore) -> None:
    store.add(SCHEDULE, 5.0)
    store.note(ID, Occurrence(6.0, State.STARTING, 6.0, "s1", "p1"))
    store.update(ID, "p1", lambda each: replace(each, state=State.DONE, cost_usd=0.5))
    store.update(ID, "unknown", lambda each: replace(each, state=State.FAILED))
    (found,) = store.progress(ID).occurrences
    assert (found.state, found.cost_usd) == (State.DONE, 0.5)


def test_the_last_outcomes_are_kept_and_all_open_ones(store: ScheduleStore) -> None:
    store.add(SCHEDULE, 5.0)
    store.note(ID, Occurrence(1.0, State.RUNNING, 1.0, "s1", "open"))
    for number in range(KEPT + 10):
        at = 10.0 + number
        store.note(ID, Occurrence(at, State.DONE, at, "s1", f"p{number}"))
    found = store.progress(ID).occurrences
    assert len(found) == KEPT + 1
    assert (found[0].prompt_id, found[1].prompt_id) == ("open", "p10")


def test_a_deleted_schedule_is_gone(store: ScheduleStore) -> None:
    store.add(SCHEDULE, 5.0)
    other(store).delete(ID)
    assert store.all() == []
    for missing in (ID, "../passwd", "", "5" * 31):
        with pytest.raises(NoSuchSchedule):
            store.get(missing)
    assert not store.note(ID, Occurrence(6.0, State.DONE, 6.0))
    assert store.all() == []
    assert not list(store.folder.with_name("schedule_runs").glob("*.json"))


def test_what_was_decided_is_not_noted_of_a_schedule_that_was_changed(
    store: ScheduleStore,
) -> None:
    store.add(SCHEDULE, 5.0)
    start = Occurrence(6.0, State.STARTING, 6.0, "s1", "p1")
    changed = other(store).change(ID, lambda each: replace(each, paused=True))
    assert not store.note(ID, start, handled=6.0, unchanged=SCHEDULE)
    assert (store.progress(ID).handled, store.progress(ID).occurrences) == (5.0, ())
    assert store.note(ID, start, handled=6.0, unchanged=changed)
    assert other(store).delete(ID).open == [start]


def test_a_second_start_by_hand_is_the_one_that_waits(store: ScheduleStore) -> None:
    store.add(SCHEDULE, 5.0)
    first = Occurrence(6.0, State.STARTING, 6.0, "s1", "p1", by_hand=True)
    second = replace(first, due=7.0, prompt_id="p2")
    assert store.note_by_hand(ID, lambda _: first) == (first, True)
    assert other(store).note_by_hand(ID, lambda _: second) == (first, False)
    assert store.progress(ID).open == [first]


def test_fields_of_a_later_version_are_left_out_and_damage_is_no_obstacle(
    store: ScheduleStore,
) -> None:
    store.add(SCHEDULE, 5.0)
    path = store.folder / f"{ID}.json"
    content = json.loads(path.read_bytes())
    content["work"]["agent"] = "gardener"
    path.write_text(json.dumps({**content, "color": "green"}))
    (store.folder / f"{'7' * 32}.json").write_text("{")
    assert other(store).all() == [SCHEDULE]


def test_ids_of_a_due_time_are_always_the_same_and_those_of_others_differ() -> None:
    first = session_id_of(ID, 60.0), prompt_id_of(ID, 60.0)
    assert first == (session_id_of(ID, 60.0), prompt_id_of(ID, 60.0))
    others = {session_id_of(ID, 120.0), prompt_id_of(ID, 120.0), session_id_of("6" * 32, 60.0)}
    assert len({*first, *others}) == 5
    assert limit_schedule_id("s1", 60.2) == limit_schedule_id("s1", 60.0)
    assert limit_schedule_id("s1", 60.0) != limit_schedule_id("s2", 60.0)


GOOD = json.loads(json.dumps(replace(SCHEDULE, id="8" * 32).as_json()))


@pytest.mark.parametrize(
    "change",
    [
        {"id": "9" * 32},
        {"id": "../8"},
        {"minutes": "60"},
        {"minutes": 10**9},
        {"minutes": True},
        {"budget_usd": float("nan")},
        {"budget_usd": "5"},
        {"budget_usd": -1},
        {"paused": "no"},
        {"created_at": float("inf")},
        {"created_at": 10**400},
        {"name": 7},
        {"work": {**GOOD["work"], "prompt": ["Water"]}},
        {"work": {**GOOD["work"], "agent_id": "1"}},
        {"work": None},
        {"work": {}},
        {"timing": {**GOOD["timing"], "zone": "Mars/Olympus"}},
        {"timing": {**GOOD["timing"], "at": "soon"}},
        {"timing": {**GOOD["timing"], "kind": "cron", "expression": "61 * * * *"}},
        {"timing": {**GOOD["timing"], "kind": "every", "every": 0}},
        {"timing": {**GOOD["timing"], "kind": "every", "every": 10**30}},
        {"timing": {**GOOD["timing"], "kind": ["once"]}},
        {"origin": "nowhere"},
        {"by": "sam"},
    ],
)
def test_a_schedule_that_this_program_would_not_keep_is_left_out_and_named(
    store: ScheduleStore, change: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    store.add(SCHEDULE, 5.0)
    path = store.folder / f"{'8' * 32}.json"
    path.write_text(json.dumps({**GOOD, "version": 1}))
    assert len(other(store).all()) == 2
    path.write_text(json.dumps({**GOOD, "version": 1, **change}))
    store = other(store)
    assert store.all() == [SCHEDULE]
    assert store.damaged() == [path.name]
    with pytest.raises(NoSuchSchedule):
        store.get("8" * 32)
    assert path.exists()
    assert path.name in caplog.text or change == {"id": "9" * 32}


@pytest.mark.parametrize(
    "occurrence",
    [
        {"due": float("nan")},
        {"at": "now"},
        {"state": "lost"},
        {"sentence": None},
        {"cost_usd": float("inf")},
        {"due": 10**400},
    ],
)
def test_damaged_outcomes_are_as_if_lost(
    store: ScheduleStore, occurrence: dict[str, object]
) -> None:
    store.add(SCHEDULE, 5.0)
    path = store.folder.with_name("schedule_runs") / f"{ID}.json"
    good = {"due": 1.0, "state": "done", "at": 2.0}
    path.write_text(json.dumps({"handled": 9.0, "occurrences": [good]}))
    assert len(other(store).progress(ID).occurrences) == 1
    path.write_text(json.dumps({"handled": 9.0, "occurrences": [{**good, **occurrence}]}))
    assert other(store).progress(ID) == Progress()


def test_runs_of_schedules_with_a_budget_are_found_as_soon_as_they_are_noted(
    store: ScheduleStore,
) -> None:
    assert store.bounded() == {}
    with_budget = replace(SCHEDULE, id="6" * 32, budget_usd=2.0)
    for each in (SCHEDULE, with_budget):
        store.add(each, 5.0)
    reader = other(store)
    for number in range(50):  # within one tick of the clock, too
        run = Occurrence(60.0, State.RUNNING, 61.0, prompt_id=f"p{number}", run_id=f"r{number}")
        for each in (SCHEDULE, with_budget):
            store.note(each.id, run)
        assert reader.bounded() == {f"r{number}": (with_budget, run)}
        store.update(with_budget.id, f"p{number}", lambda each: replace(each, state=State.DONE))
        assert reader.bounded() == {}
