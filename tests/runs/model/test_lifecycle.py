"""The run state machine: the next state for every state and event."""

from __future__ import annotations

import re

import pytest

from opcode_htmx.runs.model.lifecycle import (
    LIVE,
    OPEN_TURN,
    PROCESS,
    RUN_COMMANDS,
    Event,
    Phase,
    RunCommand,
    after,
    refusal_reason,
)
from tests.support.environment import ROOT

EVENTS = ["launched", "prompted", "active", "asked", "answered", "turn-ended", "stopped", "exited"]

TABLE = """
queued    starting  queued    queued    queued    queued    queued    stopping  ended
starting  starting  starting  working   waiting   starting  idle      stopping  ended
working   working   working   working   waiting   working   idle      stopping  ended
waiting   waiting   waiting   waiting   waiting   working   idle      stopping  ended
idle      idle      working   working   waiting   idle      idle      stopping  ended
stopping  stopping  stopping  stopping  stopping  stopping  stopping  stopping  ended
ended     ended     ended     ended     ended     ended     ended     ended     ended
"""
"""A state, and the next states for each of EVENTS."""

ROWS = [row.split() for row in TABLE.strip().splitlines()]
PAIRS = [
    (Phase(row[0]), Event(event.replace("-", " ")), Phase(follows))
    for row in ROWS
    for event, follows in zip(EVENTS, row[1:], strict=True)
]

ALLOWED = """
prompt     queued starting working waiting idle
take-back  queued starting working waiting idle ended
answer     starting working waiting idle
change     starting working waiting idle
stop       queued starting working waiting idle stopping
"""
"""A verb, and the phases in which it is done."""


def test_transition_table() -> None:
    assert [(phase, event, after(phase, event)) for phase, event, _ in PAIRS] == PAIRS


def test_table_contains_every_pair() -> None:
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


def test_a_process_is_there_from_the_launch_to_the_end() -> None:
    assert frozenset(LIVE) - {Phase.QUEUED} == PROCESS


@pytest.mark.parametrize("row", ALLOWED.strip().splitlines())
def test_each_command_is_accepted_in_its_phases_and_refused_in_others(
    row: str,
) -> None:
    name, *phases = row.split()
    verb = RunCommand(name.replace("-", " "))
    assert {phase for phase in Phase if not refusal_reason(verb, phase)} == {
        Phase(p) for p in phases
    }
    for phase in set(Phase) - RUN_COMMANDS[verb]:
        assert re.fullmatch(r"[A-Z][^\n]+\.", refusal_reason(verb, phase))


def test_every_verb_has_its_phases() -> None:
    assert (
        RUN_COMMANDS.keys()
        == set(RunCommand)
        == {RunCommand(r.split()[0].replace("-", " ")) for r in ALLOWED.strip().splitlines()}
    )


def test_documented_table_equals_the_code() -> None:
    rows = re.findall(r"^\| `([\w ]+)` \| (.+) \|$", (ROOT / "docs" / "runs.md").read_text(), re.M)
    shown = {name: [cell.strip(" `") for cell in cells.split("|")] for name, cells in rows}
    for phase in Phase:
        follows = [after(phase, event) for event in Event]
        assert shown[phase] == ["" if next_ is phase else str(next_) for next_ in follows]
    for verb in RunCommand:
        allowed = ["yes" if phase in RUN_COMMANDS[verb] else "409" for phase in Phase]
        assert shown[verb] == allowed
