"""What is cancelled says whether its prompt was sent, so that it is not offered a second time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from opcode_htmx.features.schedules.service import Schedules
from opcode_htmx.lib.identity import UNKNOWN
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.locations import SessionLocations
from opcode_htmx.sessions.schedules.agents import ScheduledAgents
from opcode_htmx.sessions.schedules.model import Occurrence, Schedule, State, Work
from opcode_htmx.sessions.schedules.store import NoSuchSchedule, ScheduleStore
from opcode_htmx.sessions.schedules.timing import once
from opcode_htmx.sessions.workspace import Workspace

ID = "5" * 32
SCHEDULE = Schedule(ID, Work("/work/orchard", "Water the trees"), once("2026-11-30T07:00", "UTC"))


@pytest.fixture
def schedules(tmp_path: Path) -> Schedules:
    """Without what sends prompts."""
    nothing = SimpleNamespace()
    return Schedules(
        ScheduleStore(tmp_path / "schedules", tmp_path / "schedule_runs"),
        cast("Supervisor", nothing),
        cast("SessionLocations", nothing),
        cast("Workspace", nothing),
        ScheduledAgents(),
        "UTC",
    )


@pytest.mark.parametrize(
    ("state", "is_unsent"),
    [
        (None, True),
        (State.MISSED, True),
        (State.REFUSED, True),
        (State.STARTING, False),
        (State.RUNNING, False),
        (State.DONE, False),
    ],
)
def test_a_prompt_that_is_being_sent_does_not_come_back(
    schedules: Schedules, state: State | None, is_unsent: bool
) -> None:
    schedules.store.add(SCHEDULE, 5.0)
    if state:
        schedules.store.note(ID, Occurrence(6.0, state, 6.0, "s1", "p1"))
    assert schedules.cancel(ID, by=UNKNOWN) == (SCHEDULE, is_unsent)
    assert schedules.store.all() == []


def test_two_taps_on_run_now_make_one_start(schedules: Schedules) -> None:
    schedules.store.add(SCHEDULE, 5.0)
    first = schedules.run_now(ID, by=UNKNOWN)
    assert schedules.run_now(ID, by=UNKNOWN) == first
    assert len(schedules.store.progress(ID).open) == 1
    schedules.delete(ID, by=UNKNOWN)
    with pytest.raises(NoSuchSchedule):
        schedules.run_now(ID, by=UNKNOWN)
