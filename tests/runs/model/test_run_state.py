"""The state of a run from its lines: turns, and prompts that wait."""

from __future__ import annotations

import pytest

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.run_state import RunState
from tests.runs.model.run_lines import (
    INIT,
    NEXT,
    PROMPT,
    RESULT,
    SAYS,
    SENT,
    fold,
    lifecycle,
    line,
    replay,
    sent,
)
from tests.support.cli.supervision import CODEC

SENT_NEXT = encoder.prompt_line(NEXT, "and then")


def test_a_turn_that_is_read_before_the_record_of_its_start_is_over() -> None:
    """As in a worker that sees the start by another one and the answer at once."""
    state = RunState(CODEC)
    state.phase = Phase.QUEUED
    assert fold(sent(SENT), state=state).phase is Phase.QUEUED
    assert fold(replay(PROMPT), SAYS, RESULT, state=state).phase is Phase.QUEUED, "to be launched"
    state.launched()
    assert [state.phase] == [Phase.IDLE]


# --- Prompts --------------------------------------------------------------------------------


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
