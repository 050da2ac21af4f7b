"""Events as lines of the journal."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from opcode_htmx.lib.identity import ENGINE, SYSTEM
from opcode_htmx.runs.events import types
from opcode_htmx.runs.events.types import (
    KINDS,
    PermissionAnswered,
    PermissionAsked,
    PromptSubmitted,
    RunEnded,
    RunEvent,
    RunStarted,
    RunWarned,
    TurnEnded,
    Usage,
)
from opcode_htmx.runs.model.record import Outcome
from tests.support.cli.supervision import BY
from tests.support.fuzzing import changed, examples

ABOUT: dict[str, Any] = {
    **{"id": "r.x.1", "at": 1.5, "run_id": "r", "session_id": "s"},
    "project_path": "/p/\ud800",
}
USAGE = Usage(1, 2, 3, 4, None, 0.5, "model", 70)

EVENTS: list[RunEvent] = [
    RunStarted(**ABOUT, by=BY),
    RunEnded(**ABOUT, by=SYSTEM, outcome=Outcome.TIMED_OUT, cause="Why.", exit_status=None),
    PromptSubmitted(**ABOUT, by=BY, prompt_id="p", characters=4, images=1),
    PermissionAsked(**ABOUT, by=ENGINE, request_id="q", tool_name="Bash"),
    PermissionAnswered(**ABOUT, by=BY, request_id="q", tool_name="Bash", allowed=True),
    TurnEnded(**ABOUT, by=BY, prompt_ids=("p",), is_error=False, reason="completed", usage=USAGE),
    RunWarned(**ABOUT, by=SYSTEM, about="output", text="Much."),
]
LINES = [types.encode(event, "w") for event in EVENTS]


def test_every_kind_of_event_is_tried_here() -> None:
    assert {type(event) for event in EVENTS} == set(KINDS.values())


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_round_trips(event: RunEvent) -> None:
    read = types.decode(types.encode(event, "w"))
    assert read == (replace(event, project_path="/p/\ufffd"), "w")
    assert types.id_in(types.encode(event, "w")) == event.id


def test_event_of_a_later_version_is_ignored() -> None:
    assert types.decode(b'{"event": "of_tomorrow", "id": "1"}') is None


def test_a_field_of_a_later_version_is_left_out() -> None:
    line = json.dumps({**json.loads(LINES[0]), "more": 1}).encode()
    assert types.decode(line) == types.decode(LINES[0])


def test_the_end_of_a_turn_of_an_earlier_version_names_no_session() -> None:
    event = EVENTS[5]
    content = json.loads(types.encode(event, "w"))
    del content["claude_session_id"]
    assert types.decode(json.dumps(content).encode()) == types.decode(types.encode(event, "w"))


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"7", b"{}", b'{"event": "run_ended"}'])
def test_invalid_event_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        types.decode(line)


@given(line=changed(LINES))
@examples(100)
def test_fuzz_a_line_is_an_event_or_refused(line: bytes) -> None:
    types.id_in(line)
    try:
        entry = types.decode(line)
    except ValueError:
        return
    assert entry is None or isinstance(entry.event, RunEvent)
