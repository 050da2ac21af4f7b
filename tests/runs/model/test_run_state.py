"""The state of a run from its lines, independent of the order in which the files are read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    Thinking,
    ToolUse,
)
from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Event, Phase
from opcode_htmx.runs.model.run_state import RunState
from tests.support.cli.supervision import (
    BY,
    CODEC,
    Supervision,
    idle,
    new_id,
    until,
)
from tests.support.environment import Sandbox

PROMPT, NEXT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
Lines = list[bytes]


def line(type_: str, **fields: Any) -> bytes:
    return json.dumps({"type": type_, **fields}).encode()


def replay(prompt_id: str) -> bytes:
    message = {"role": "user", "content": "hello"}
    return line("user", message=message, uuid=prompt_id, isReplay=True)


def asks(request_id: str, tool: str = "Bash") -> bytes:
    request = {"subtype": "can_use_tool", "tool_name": tool, "input": {"command": "true"}}
    return line("control_request", request_id=request_id, request=request)


def lifecycle(prompt_id: str, state: str) -> bytes:
    return line("command_lifecycle", command_uuid=prompt_id, state=state)


INIT = line("system", subtype="init", model="claude-x", slash_commands=["compact", "context"])
SAYS = line("assistant", message={"id": "m1", "content": [{"type": "text", "text": "hi"}]})
RESULT = line("result", subtype="success")
HOOK = line("control_request", request_id="hook-1", request={"subtype": "hook_callback"})
SENT = encoder.prompt_line(PROMPT, "hello")
SENT_NEXT = encoder.prompt_line(NEXT, "and then")


def fold(*lines: tuple[str, bytes] | bytes, state: RunState | None = None) -> RunState:
    """The state after these lines: sent lines in pairs with "in", Claude's lines plain."""
    state = state or RunState(CODEC)
    for each in lines:
        if isinstance(each, tuple):
            state.apply_input(parser.parse(each[1]))
        else:
            state.apply_output(parser.parse(each))
    return state


def sent(data: bytes) -> tuple[str, bytes]:
    return "in", data


def test_a_turn_that_is_read_before_the_record_of_its_start_is_over() -> None:
    """As in a worker that sees the start by another one and the answer at once."""
    state = RunState(CODEC)
    state.phase = Phase.QUEUED
    assert fold(sent(SENT), state=state).phase is Phase.QUEUED
    assert fold(replay(PROMPT), SAYS, RESULT, state=state).phase is Phase.QUEUED, "to be launched"
    state.launched()
    assert [state.phase] == [Phase.IDLE]


# Prompts -------------------------------------------------------------------------------------


def test_run_is_starting_until_the_first_line() -> None:
    assert fold(sent(SENT)).phase is Phase.STARTING


def test_a_prompt_waits_until_claude_takes_it_up() -> None:
    state = fold(sent(SENT))
    assert state.waiting == {PROMPT: "hello"}
    fold(INIT, replay(PROMPT), state=state)
    assert state.waiting == {}
    assert state.sent == {PROMPT: "hello"}
    assert state.phase is Phase.WORKING


def test_a_prompt_sent_in_mid_turn_waits_for_the_next_one() -> None:
    state = fold(sent(SENT), INIT, replay(PROMPT), sent(SENT_NEXT), SAYS)
    assert state.waiting == {NEXT: "and then"}
    fold(RESULT, state=state)
    assert state.phase is Phase.WORKING
    fold(INIT, replay(NEXT), SAYS, RESULT, state=state)
    assert state.waiting == {}
    assert (state.phase, state.turns) == (Phase.IDLE, 2)


def test_prompt_that_joins_the_open_turn_is_not_queued() -> None:
    state = fold(sent(SENT), INIT, replay(PROMPT), sent(SENT_NEXT))
    fold(replay(NEXT), SAYS, lifecycle(NEXT, "completed"), RESULT, state=state)
    assert (state.phase, state.waiting) == (Phase.IDLE, {})


def test_prompt_folded_after_its_turn_counts_as_read() -> None:
    state = fold(INIT, replay(PROMPT), SAYS, RESULT, lifecycle(PROMPT, "completed"), sent(SENT))
    assert (state.phase, state.waiting) == (Phase.IDLE, {})
    assert state.sent == {PROMPT: "hello"}


@pytest.mark.parametrize("end", ["completed", "cancelled"])
def test_completed_prompt_is_no_longer_queued(end: str) -> None:
    assert fold(sent(SENT), lifecycle(PROMPT, end)).waiting == {}


@pytest.mark.parametrize("step", ["queued", "started"])
def test_a_prompt_that_is_only_queued_waits_on(step: str) -> None:
    assert fold(sent(SENT), lifecycle(PROMPT, step)).waiting == {PROMPT: "hello"}


TAKE_BACK = encoder.control_line("opcode-1", "cancel_async_message", message_uuid=NEXT)
INTERRUPT = encoder.control_line("opcode-interrupt", "interrupt", cancel_queued=True)


def take_back_response(cancelled: bool) -> bytes:
    answer = {"cancelled": cancelled, "message_uuid": NEXT}
    response = {"subtype": "success", "request_id": "opcode-1", "response": answer}
    return line("control_response", response=response)


def test_a_prompt_that_was_taken_back_waits_no_more_not_even_after_a_stop() -> None:
    queue = sent(SENT), replay(PROMPT), sent(SENT_NEXT), lifecycle(NEXT, "queued")
    state = fold(*queue, sent(TAKE_BACK), lifecycle(NEXT, "cancelled"), take_back_response(True))
    assert (list(state.waiting), list(state.sent)) == ([], [PROMPT, NEXT])
    assert state.phase is Phase.WORKING
    assert list(fold(sent(INTERRUPT), RESULT, state=state).waiting) == []


def test_a_prompt_that_claude_would_not_give_back_waits_on() -> None:
    state = fold(
        sent(SENT), replay(PROMPT), sent(SENT_NEXT), sent(TAKE_BACK), take_back_response(False)
    )
    assert list(state.waiting) == [NEXT]


def test_an_idle_run_whose_only_prompt_was_taken_back_is_idle() -> None:
    prompted = sent(SENT), replay(PROMPT), RESULT, sent(SENT_NEXT)
    assert fold(*prompted).phase is Phase.WORKING
    given_back = sent(TAKE_BACK), lifecycle(NEXT, "cancelled"), take_back_response(True)
    assert fold(*prompted, *given_back).phase is Phase.IDLE


def test_prompts_dequeued_by_a_stop_wait_for_a_person() -> None:
    begun = sent(SENT), replay(PROMPT), sent(SENT_NEXT)
    swept = sent(INTERRUPT), lifecycle(NEXT, "cancelled"), RESULT
    assert list(fold(*begun, *swept).waiting) == [NEXT]
    late = replay(PROMPT), lifecycle(NEXT, "cancelled"), RESULT, sent(SENT)
    assert list(fold(*late, sent(SENT_NEXT), sent(INTERRUPT)).waiting) == [NEXT]


def test_undelivered_prompt_counts_as_unsent_and_may_be_resent() -> None:
    state = fold(sent(SENT), replay(PROMPT), RESULT, sent(SENT_NEXT))
    fold(sent(encoder.undelivered_line(NEXT)), state=state)
    assert (list(state.sent), list(state.waiting), state.phase) == ([PROMPT], [], Phase.IDLE)
    fold(sent(SENT_NEXT), state=state)
    assert (list(state.sent), list(state.waiting)) == ([PROMPT, NEXT], [NEXT])


def test_a_prompt_that_was_withdrawn_counts_as_sent_and_waits_no_more() -> None:
    state = fold(sent(SENT), sent(encoder.withdrawn_line(PROMPT)))
    assert (list(state.sent), list(state.waiting)) == ([PROMPT], [])


def test_a_prompt_to_an_idle_run_opens_a_turn() -> None:
    assert fold(sent(SENT), replay(PROMPT), RESULT, sent(SENT_NEXT)).phase is Phase.WORKING


def test_a_prompt_noted_twice_counts_once() -> None:
    state = fold(sent(SENT), replay(PROMPT), RESULT, sent(SENT))
    assert (state.phase, state.waiting) == (Phase.IDLE, {})


def test_a_turn_that_claude_begins_by_itself_is_a_turn() -> None:
    state = fold(sent(SENT), replay(PROMPT), RESULT, SAYS)
    assert state.phase is Phase.WORKING


def test_init_line_holds_model_and_commands() -> None:
    state = fold(INIT)
    assert (state.model, state.slash_commands) == ("claude-x", ("compact", "context"))


# Requests ------------------------------------------------------------------------------------


def test_a_permission_request_is_open_until_it_is_answered() -> None:
    state = fold(INIT, asks("r1"))
    assert (list(state.asks), state.phase) == (["r1"], Phase.WAITING)
    asked = state.asks["r1"]
    assert isinstance(asked, PermissionRequest)
    assert asked.input == {"command": "true"}
    fold(sent(encoder.allow_line("r1", {})), state=state)
    assert (state.asks, state.phase) == ({}, Phase.WORKING)


def test_undelivered_answer_leaves_the_request_open_in_any_order() -> None:
    answer = sent(encoder.allow_line("r1", {}))
    lost = sent(encoder.undelivered_line("r1"))
    for first, second, third in ((asks("r1"), answer, lost), (answer, lost, asks("r1"))):
        state = fold(sent(SENT), replay(PROMPT), first, second, third)
        assert (list(state.asks), state.answers, state.phase) == (["r1"], {}, Phase.WAITING)
        fold(sent(encoder.deny_line("r1", "no")), state=state)
        assert (list(state.asks), state.phase) == ([], Phase.WORKING)
        assert not state.answers["r1"].allowed


def test_the_echo_alone_closes_a_request() -> None:
    state = fold(INIT, asks("r1"), encoder.deny_line("r1", "no"))
    assert (state.asks, state.phase) == ({}, Phase.WORKING)


def test_a_request_that_claude_withdraws_is_closed() -> None:
    state = fold(INIT, asks("r1"), line("control_cancel_request", request_id="r1"))
    assert (state.asks, state.phase) == ({}, Phase.WORKING)


def test_the_run_waits_until_every_request_is_answered() -> None:
    state = fold(INIT, asks("r1"), asks("r2"), sent(encoder.allow_line("r1", {})))
    assert (list(state.asks), state.phase) == (["r2"], Phase.WAITING)
    fold(sent(encoder.allow_line("r2", {})), state=state)
    assert state.phase is Phase.WORKING


def test_requests_are_kept_in_the_order_in_which_they_came() -> None:
    assert list(fold(asks("b"), asks("a"), asks("c")).asks) == ["b", "a", "c"]


def test_text_beside_an_open_request_does_not_hide_that_claude_waits() -> None:
    assert fold(INIT, asks("r1"), SAYS).phase is Phase.WAITING


def test_a_request_of_an_agent_in_the_background_outlives_the_turn() -> None:
    state = fold(INIT, asks("r1"), RESULT)
    assert (list(state.asks), state.phase) == (["r1"], Phase.WAITING)
    fold(sent(encoder.allow_line("r1", {})), RESULT, state=state)
    assert (state.asks, state.phase) == ({}, Phase.IDLE)


def test_an_answer_that_is_read_before_its_request_closes_it() -> None:
    state = fold(sent(encoder.allow_line("r1", {})), INIT, asks("r1"))
    assert (state.asks, state.phase) == ({}, Phase.WORKING)


QUESTION = {"questions": [{"question": "Tabs?"}]}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (encoder.allow_line("r1", {"command": "ls"}), "This was answered already: allowed."),
        (
            encoder.allow_line("r1", {**QUESTION, "answers": {"Tabs?": "Yes"}}),
            "This was answered already.",
        ),
        (encoder.deny_line("r1", "Not here."), "This was answered already: denied."),
        (encoder.deny_line("r1", encoder.NO_ANSWER), "This was answered already: declined."),
    ],
    ids=["permission", "question", "denied permission", "declined question"],
)
def test_a_late_answer_is_told_of_the_first_in_the_words_of_what_was_asked(
    answer: bytes, words: str
) -> None:
    assert fold(INIT, asks("r1"), sent(answer)).answers["r1"].in_words() == words


def test_a_question_of_an_mcp_server_is_open_until_it_is_answered_or_withdrawn() -> None:
    asked = {"subtype": "elicitation", "mcp_server_name": "trees", "message": "Which?"}
    ask = line("control_request", request_id="e1", request=asked)
    state = fold(INIT, ask)
    assert (list(state.asks), state.phase) == (["e1"], Phase.WAITING)
    assert not state.unsupported
    fold(sent(encoder.elicitation_line("e1", "decline", at=5.0)), state=state)
    assert (state.asks, state.phase) == ({}, Phase.WORKING)
    assert "declined" in state.answers["e1"].in_words()
    fold(sent(encoder.undelivered_line("e1")), state=state)
    assert (list(state.asks), state.phase) == (["e1"], Phase.WAITING)
    fold(line("control_cancel_request", request_id="e1"), state=state)
    assert state.asks == {}


@pytest.mark.parametrize("is_answer_first", [True, False])
def test_an_answer_that_meets_the_withdrawal_of_its_request_is_none(is_answer_first: bool) -> None:
    ask = line("control_request", request_id="e1", request={"subtype": "elicitation"})
    answer = sent(encoder.elicitation_line("e1", "accept", {}, at=5.0))
    cancel = line("control_cancel_request", request_id="e1")
    parts = (answer, cancel) if is_answer_first else (cancel, answer)
    state = fold(INIT, ask, *parts)
    assert (state.asks, state.answers, state.phase) == ({}, {}, Phase.WORKING)
    fold(sent(encoder.undelivered_line("e1")), state=state)
    assert state.asks == {}, "it stays withdrawn"


def test_an_answer_that_claude_has_taken_stays_one() -> None:
    ask = line("control_request", request_id="e1", request={"subtype": "elicitation"})
    answer = encoder.elicitation_line("e1", "accept", {}, at=5.0)
    cancel = line("control_cancel_request", request_id="e1")
    state = fold(INIT, ask, sent(answer), answer, cancel)
    assert "accepted" in state.answers["e1"].in_words()


def test_a_request_of_an_unknown_kind_is_noted_until_it_is_answered() -> None:
    state = fold(INIT, HOOK)
    assert list(state.unsupported) == ["hook-1"]
    assert (state.asks, state.phase) == ({}, Phase.WORKING)
    fold(sent(encoder.refusal_line("hook-1")), state=state)
    assert not state.unsupported


def test_a_request_of_an_unknown_kind_that_was_answered_is_not_noted_again() -> None:
    assert not fold(sent(encoder.refusal_line("hook-1")), HOOK).unsupported


def test_the_answer_to_our_own_request_changes_nothing() -> None:
    answer = line("control_response", response={"subtype": "success", "request_id": "ours"})
    assert fold(INIT, asks("r1"), answer).phase is Phase.WAITING


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


# Real lines ----------------------------------------------------------------------------------

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
