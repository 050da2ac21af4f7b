"""The state of a run from its lines: requests, until they are answered or withdrawn."""

from __future__ import annotations

import pytest

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.runs.model.lifecycle import Phase
from tests.runs.model.run_lines import (
    INIT,
    PROMPT,
    RESULT,
    SAYS,
    SENT,
    asks,
    fold,
    line,
    replay,
    sent,
)

HOOK = line("control_request", request_id="hook-1", request={"subtype": "hook_callback"})


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
