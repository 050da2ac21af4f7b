"""The life of a run: what follows from every phase and every event."""

from __future__ import annotations

import pytest

from opcode_htmx.runs.phases import LIVE, OPEN_TURN, Event, Phase, after

EVENTS = ["prompted", "active", "asked", "answered", "turn-ended", "stopped", "exited"]

TABLE = """
starting  starting  working   waiting   starting  idle      stopping  ended
working   working   working   waiting   working   idle      stopping  ended
waiting   waiting   waiting   waiting   working   idle      stopping  ended
idle      working   working   waiting   idle      idle      stopping  ended
stopping  stopping  stopping  stopping  stopping  stopping  stopping  ended
ended     ended     ended     ended     ended     ended     ended     ended
"""
"""A phase, and what follows from it on each of EVENTS."""

ROWS = [row.split() for row in TABLE.strip().splitlines()]
PAIRS = [
    (Phase(row[0]), Event(event.replace("-", " ")), Phase(follows))
    for row in ROWS
    for event, follows in zip(EVENTS, row[1:], strict=True)
]


@pytest.mark.parametrize(("phase", "event", "follows"), PAIRS)
def test_what_follows(phase: Phase, event: Event, follows: Phase) -> None:
    assert after(phase, event) is follows


def test_the_table_holds_every_pair() -> None:
    assert {(phase, event) for phase, event, _ in PAIRS} == {
        (phase, event) for phase in Phase for event in Event
    }


def test_an_ended_run_stays_ended() -> None:
    assert {after(Phase.ENDED, event) for event in Event} == {Phase.ENDED}


def test_a_run_that_is_being_stopped_can_only_end() -> None:
    assert {after(Phase.STOPPING, event) for event in Event} == {Phase.STOPPING, Phase.ENDED}


def test_every_phase_but_the_last_is_alive_and_can_end() -> None:
    assert frozenset(Phase) - {Phase.ENDED} == LIVE
    assert {after(phase, Event.EXITED) for phase in LIVE} == {Phase.ENDED}


def test_a_turn_is_open_from_the_start_until_it_has_ended() -> None:
    assert frozenset({Phase.STARTING, Phase.WORKING, Phase.WAITING}) == OPEN_TURN
