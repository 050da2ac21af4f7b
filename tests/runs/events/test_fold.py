"""The events in the lines of a run, independent of the order in which the files are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.runs.events import fold
from opcode_htmx.runs.events.fold import Derived, EventFold
from opcode_htmx.runs.events.progress import Progress
from opcode_htmx.runs.events.types import (
    PermissionAnswered,
    PermissionAsked,
    PromptSubmitted,
    TurnEnded,
    Usage,
)
from opcode_htmx.runs.model.actors import Act
from tests.support.fuzzing import (
    RARE,
    STDOUT,
    changed,
    examples,
    sessions,
)


def line(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


PROMPT = "11111111-1111-4111-8111-111111111111"
ASK = line(
    "control_request",
    request_id="r1",
    request={"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "true"}},
)
ALLOW = encoder.allow_line("r1", {}, at=5.0)
DENY = encoder.deny_line("r1", "No.", at=6.0)


def folded(sent: Sequence[bytes] = (), said: Sequence[bytes] = ()) -> list[Derived]:
    """The events of these lines, sent lines first; the offset after a line is its number."""
    events = EventFold(Progress())
    derived = [
        each
        for end, data in enumerate(sent, 1)
        for each in events.apply_input(parser.parse(data), end)
    ]
    for end, data in enumerate(said, 1):
        derived += events.apply_output(parser.parse(data), end)
    return derived


def test_a_prompt_is_submitted_without_its_words() -> None:
    image = ImageContent("image/png", "iVBORw0KGgo=")
    (event,) = folded([encoder.prompt_line(PROMPT, "Sow the apples", [image])])
    assert event.kind is PromptSubmitted
    assert event.content == {"prompt_id": PROMPT, "characters": 14, "images": 1}
    assert event.acts == ((Act.PROMPT, PROMPT),)
    assert "apples" not in repr(event)


@pytest.mark.parametrize(("answer", "allowed", "at"), [(ALLOW, True, 5.0), (DENY, False, 6.0)])
def test_answer_event_follows_its_request_even_if_read_first(
    answer: bytes, allowed: bool, at: float
) -> None:
    asked, answered = folded([answer], [ASK])
    assert (asked.kind, asked.content["tool_name"]) == (PermissionAsked, "Bash")
    assert (answered.kind, answered.at) == (PermissionAnswered, at)
    assert answered.content == {"request_id": "r1", "tool_name": "Bash", "allowed": allowed}


@pytest.mark.parametrize(("action", "allowed"), [("accept", True), ("decline", False)])
def test_the_answer_to_an_mcp_server_is_an_event_without_its_content(
    action: str, allowed: bool
) -> None:
    asks = {"subtype": "elicitation", "mcp_server_name": "trees", "message": "Which?"}
    ask = line("control_request", request_id="r1", request=asks)
    asked, answered = folded([encoder.elicitation_line("r1", action, {"a": "hush"}, 5.0)], [ask])
    assert (asked.kind, asked.content["tool_name"]) == (PermissionAsked, "mcp__trees")
    assert (answered.kind, answered.content["allowed"]) == (PermissionAnswered, allowed)
    assert "hush" not in repr(answered)


def test_repeated_request_is_emitted_once() -> None:
    assert [each.key for each in folded(said=[ASK, ASK])] == ["1"]


def test_clipped_texts_of_claude_still_match_an_answer_to_its_request() -> None:
    request_id = "r" * 5_000_000
    ask = line(
        "control_request",
        request_id=request_id,
        request={"subtype": "can_use_tool", "tool_name": "x" * 5_000_000, "input": {}},
    )
    events = EventFold(Progress())
    (asked,) = events.apply_output(parser.parse(ask), 1)
    (answered,) = events.apply_input(parser.parse(encoder.allow_line(request_id, {}, at=5.0)), 1)
    assert asked.content["tool_name"] == "x" * fold.LONGEST_TEXT
    assert answered.content["request_id"] == asked.content["request_id"]
    assert len(repr((asked.content, answered.content, events.progress))) < 10 * fold.LONGEST_TEXT
    assert answered.acts == ((Act.ANSWER, request_id),)


def test_long_prompt_ids_are_clipped_in_the_event_of_a_turn() -> None:
    ids = ["x" * 200] * (2 * fold.MAX_PROMPT_IDS)
    (ended,) = folded(said=[line("result", subtype="success", user_message_uuids=ids)])
    assert ended.content["prompt_ids"] == ("x" * fold.LONGEST_PROMPT_ID,) * fold.MAX_PROMPT_IDS


def test_few_early_answers_to_one_request_are_kept() -> None:
    sent = [ALLOW] * (2 * fold.MAX_EARLY_ANSWERS)
    assert len(folded(sent, [ASK])) == 1 + fold.MAX_EARLY_ANSWERS


def test_answer_to_another_request_is_no_event() -> None:
    other = line("control_request", request_id="r1", request={"subtype": "of_tomorrow"})
    assert folded([encoder.refusal_line("r1"), ALLOW], [other]) == []


def test_request_to_claude_is_no_event() -> None:
    assert folded([encoder.initialize_line(), encoder.control_line("opcode-1", "interrupt")]) == []


def result(**fields: Any) -> bytes:
    return line("result", subtype="success", **fields)


def test_the_end_of_a_turn_has_the_turn_s_own_usage() -> None:
    tokens = {
        "input_tokens": 5,
        "cache_read_input_tokens": 70,
        "cache_creation_input_tokens": 600,
        "output_tokens": 8,
    }
    first = result(
        usage=tokens,
        total_cost_usd=0.5,
        duration_ms=90,
        user_message_uuids=[PROMPT],
        terminal_reason="completed",
        session_id="s2",
    )
    init = line("system", subtype="init", model="claude-test", session_id="s")
    event, later = folded(said=[init, first, result(total_cost_usd=0.75, is_error=True)])
    assert event.kind is TurnEnded
    assert event.acts == ((Act.PROMPT, PROMPT),)
    assert event.content == {
        "prompt_ids": (PROMPT,),
        "is_error": False,
        "reason": "completed",
        "usage": Usage(5, 8, 70, 600, None, 0.5, "claude-test", 90),
        "claude_session_id": "s2",
    }
    assert later.acts == ()
    assert later.content["is_error"] is True
    assert later.content["usage"] == Usage(0, 0, 0, 0, 0.25, 0.75, "claude-test", 0)


def test_the_first_turn_of_a_new_session_has_cost_all_that_the_session_has() -> None:
    events = EventFold(Progress(cost_usd=0.0))
    (event,) = events.apply_output(parser.parse(result(total_cost_usd=0.5)), 1)
    assert event.content["usage"].cost_usd == 0.5


def test_few_lines_are_worth_parsing() -> None:
    derivable = [data for data in STDOUT if fold.may_derive(data)]
    assert len(derivable) < len(STDOUT) / 3
    others = [data if data in derivable else b"{}" for data in STDOUT]
    assert folded(said=STDOUT) == folded(said=others)
    assert {each.kind for each in folded(said=STDOUT)} == {TurnEnded, PermissionAsked}


SENT = (
    encoder.prompt_line(PROMPT, "Hello"),
    encoder.prompt_line("p2", "and then", [ImageContent("image/png", "x")]),
    *(encoder.allow_line(f"r{number}", {}, at=1.0) for number in range(3)),
    encoder.deny_line("r1", "No.", at=2.0),
    encoder.refusal_line("r2"),
    encoder.undelivered_line("r1"),
    encoder.initialize_line(),
)
SAID = (
    *STDOUT,
    *RARE,
    *(ASK.replace(b'"r1"', b'"r%d"' % number) for number in range(3)),
)


@given(
    sent=st.lists(changed(SENT), max_size=12),
    said=sessions(SAID),
    order=st.lists(st.sampled_from(["in", "out", "restart"]), max_size=80),
)
@examples(50)
def test_fuzz_the_events_are_the_same_whichever_file_is_read_first_and_by_whom(
    sent: list[bytes], said: list[bytes], order: list[str]
) -> None:
    events = EventFold(Progress())
    left = {"in": list(enumerate(sent, 1)), "out": list(enumerate(said, 1))}
    derived = []
    for step in [*order, *(["in"] * len(sent)), *(["out"] * len(said))]:
        if step == "restart":
            events = EventFold(Progress.parse(events.progress.dump()))
        elif left[step]:
            end, data = left[step].pop(0)
            apply = events.apply_input if step == "in" else events.apply_output
            derived += apply(parser.parse(data), end)
    assert sorted(derived, key=repr) == sorted(folded(sent, said), key=repr)
