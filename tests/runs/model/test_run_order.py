"""The state of a run does not depend on the order in which its files are read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, Thinking, ToolUse
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Event, Phase
from opcode_htmx.runs.model.run_state import RunState
from tests.runs.model.run_lines import INIT, RESULT, SAYS, SENT, asks, fold, lifecycle, sent
from tests.support.cli.supervision import BY, Supervision, idle, new_id, until
from tests.support.environment import Sandbox

Lines = list[bytes]

# --- lines that change nothing --------------------------------------------------------------


@pytest.mark.parametrize(
    "other", [b"no json", b'{"type": "of a later release"}', b"[]", lifecycle("x", "y")]
)
def test_unknown_line_does_not_change_the_state(other: bytes) -> None:
    before = fold(INIT, asks("r1"))
    assert snapshot(fold(INIT, asks("r1"), other)) == snapshot(before)


def test_ended_run_ignores_further_lines() -> None:
    state = fold(INIT)
    state.step(Event.EXITED)
    fold(sent(SENT), INIT, asks("r1"), RESULT, SAYS, state=state)
    assert state.phase is Phase.ENDED


# --- real lines -----------------------------------------------------------------------------

SCENES = (
    Scene(
        "tool", "run it", [ToolUse("Bash", {"command": "touch made", "description": "Make"})] * 2
    ),
    Scene("anything", "", [(Thinking("Well."), Text("An answer in *some* words."))]),
)


@pytest.fixture(scope="module")
def real(claude: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lines, Lines]:
    """The lines that went into and came out of the real CLI: two allowed tools, four prompts.

    One of these Claude Code takes for a command that it does not run here.
    """
    sandbox = Sandbox(tmp_path_factory.mktemp("state") / "home").make()
    with MessagesApi(SCENES) as api:
        supervision = Supervision(sandbox, claude, api.url)
        try:
            return _two_turns(supervision)
        finally:
            supervision.close()


def _two_turns(supervision: Supervision) -> tuple[Lines, Lines]:
    session_id = new_id()
    run = supervision.prompt("Run it", session_id)
    first = _open_request(run)
    supervision.prompt("Also this", session_id)
    run.allow(first, by=BY)
    run.allow(
        until(lambda: next(iter(set(run.state.asks) - {first}), ""), "Claude asks again"), by=BY
    )
    until(lambda: run.phase is Phase.IDLE and not run.state.waiting, "the first turn ends")
    turns = run.state.turns
    supervision.prompt("/login page gives a 500", session_id)
    supervision.prompt("Say something", session_id)
    until(lambda: run.state.turns == turns + 2, "both turns end")
    idle(run)
    return run.folder.input_log.read_bytes().splitlines(), _all_lines(run)


def _open_request(run: Run) -> str:
    return until(lambda: next(iter(run.state.asks), ""), "Claude asks")


def _all_lines(run: Run) -> Lines:
    until(lambda: run.folder.output.read_bytes().endswith(b"\n"), "the last line is whole")
    return run.folder.output.read_bytes().splitlines()


def snapshot(state: RunState) -> dict[str, object]:
    names = ("phase", "turns", "model", "slash_commands", "asks", "unsupported", "sent", "waiting")
    return {name: getattr(state, name) for name in names}


def test_the_real_lines_end_in_an_idle_run_that_has_answered_everything(
    real: tuple[Lines, Lines],
) -> None:
    into, out = real
    state = fold(*map(sent, into), *out)
    assert state.phase is Phase.IDLE
    assert len(state.sent) == 4
    assert (state.waiting, state.asks, state.unsupported) == ({}, {}, {})
    assert len(state.answered) == 2
    assert state.model
    assert "compact" in state.slash_commands


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_the_order_in_which_the_two_files_are_read_does_not_matter(
    real: tuple[Lines, Lines], data: st.DataObject
) -> None:
    into = real[0][: data.draw(st.integers(0, len(real[0])), "lines in")]
    out = real[1][: data.draw(st.integers(0, len(real[1])), "lines out")]
    places = st.lists(st.integers(0, len(out)), min_size=len(into), max_size=len(into))
    where = sorted(data.draw(places, "places of the lines in"))
    assert snapshot(fold(*merged(into, out, where))) == snapshot(fold(*map(sent, into), *out))


def merged(into: Lines, out: Lines, where: list[int]) -> Iterable[tuple[str, bytes] | bytes]:
    """Each line of `into` before the line of `out` at its place."""
    rest = list(zip(where, into, strict=True))
    for index, each in enumerate([*out, b""]):
        while rest and rest[0][0] <= index:
            yield sent(rest.pop(0)[1])
        if each:
            yield each
