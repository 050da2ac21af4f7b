"""Parsing of Claude's lines into messages, and encoding of the lines sent to Claude."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opcode_htmx.engines import messages as m
from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.engines.claude.protocol import encoder, json_lines, parser
from opcode_htmx.lib.coerce import Json
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import Captured, capture
from tests.support.fuzzing import FACTOR

HALF = "\ud83d"
"""The first half of an emoji: a string in JavaScript and in JSON, but no text."""

TYPES = [
    "stream_event",
    "assistant",
    "user",
    "result",
    "control_request",
    "control_cancel_request",
    "control_response",
    "command_lifecycle",
    "system",
    "attachment",
    "conversation_reset",
    "a type of next year",
]
WELL_KNOWN = [
    *("type", "subtype", "uuid", "message", "content", "id", "event", "index", "delta", "text"),
    *("content_block", "request", "request_id", "response", "input", "tool_use_id", "usage"),
    *("total_cost_usd", "duration_ms", "num_turns", "errors", "result", "is_error", "error"),
    *("tool_result_meta", "toolDenialKind", "attachment", "prompt", "apiBlockIndex", "thinking"),
    *("permission_suggestions", "slash_commands", "source", "data", "local_command_source"),
    *("parent_tool_use_id", "isSidechain", "input_tokens", "output_tokens"),
]


@pytest.fixture(scope="session")
def captured(claude: Path) -> Captured:
    return capture(claude)


def parse(**fields: object) -> m.Message:
    return parser.parse(json.dumps(fields).encode())


def event(**event: object) -> m.Message:
    return parse(type="stream_event", event=event, api_message_id="msg_1")


def user(content: object, **fields: object) -> m.User:
    message = parse(type="user", uuid="u", message={"role": "user", "content": content}, **fields)
    assert isinstance(message, m.User)
    return message


def assistant(*content: object, **fields: object) -> m.Assistant:
    message = {"id": "msg_1", "role": "assistant", "content": content}
    parsed = parse(type="assistant", uuid="u", message=message, **fields)
    assert isinstance(parsed, m.Assistant)
    return parsed


def result(**fields: object) -> m.TurnResult:
    message = parse(type="result", **fields)
    assert isinstance(message, m.TurnResult)
    return message


# --- from Claude ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            parse(type="system", subtype="init", session_id="s", cwd="/p", model="opus"),
            m.Init("s", "/p", "opus", "", ()),
        ),
        (
            parse(type="command_lifecycle", command_uuid="p", state="queued"),
            m.PromptState("p", "queued"),
        ),
        (event(type="message_start", message={"id": "msg_1"}), m.MessageStart("msg_1", None)),
        (
            event(type="content_block_start", index=2, content_block={"type": "text", "text": ""}),
            m.BlockStart("msg_1", 2, m.TextContent(""), None),
        ),
        (
            event(type="content_block_delta", index=2, delta={"type": "text_delta", "text": "a"}),
            m.BlockDelta("msg_1", 2, "a", None),
        ),
        (
            event(type="content_block_delta", index=0, delta={"thinking": "hm"}),
            m.BlockDelta("msg_1", 0, "hm", None),
        ),
        (
            event(type="content_block_delta", index=0, delta={"type": "signature_delta"}),
            m.OtherEvent("signature_delta"),
        ),
        (event(type="content_block_stop", index=2), m.BlockStop("msg_1", 2, None)),
        (event(type="message_stop"), m.OtherEvent("message_stop")),
        (parse(type="control_cancel_request", request_id="r"), m.ControlCancel("r")),
        (
            parse(
                type="control_response",
                response={"subtype": "success", "request_id": "r", "response": {"a": 1}},
            ),
            m.ControlResponse("r", True, {"a": 1}, ""),
        ),
        (
            parse(
                type="control_response",
                response={"subtype": "error", "request_id": "r", "error": "no"},
            ),
            m.ControlResponse("r", False, {}, "no"),
        ),
        (
            parse(type="system", subtype="status", uuid="u"),
            m.SystemEvent("status", "u", {"type": "system", "subtype": "status", "uuid": "u"}),
        ),
        (
            parse(type="conversation_reset", uuid="u"),
            m.SystemEvent("conversation_reset", "u", {"type": "conversation_reset", "uuid": "u"}),
        ),
        (parse(type="next", a=[1]), m.Unknown("next", {"type": "next", "a": [1]})),
        (
            parse(type="control_request", request={"subtype": "hook_callback"}),
            m.Unknown(
                "control_request",
                {"type": "control_request", "request": {"subtype": "hook_callback"}},
            ),
        ),
    ],
)
def test_each_type_of_line_has_its_message(message: m.Message, expected: m.Message) -> None:
    assert message == expected


@pytest.mark.parametrize(
    ("block", "content"),
    [
        ({"type": "text", "text": "a"}, m.TextContent("a")),
        ({"type": "thinking", "thinking": "a"}, m.ThinkingContent("a")),
        (
            {"type": "tool_use", "id": "t", "name": "Bash", "input": {"a": 1}},
            m.ToolUse("t", "Bash", {"a": 1}),
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": "a", "is_error": True},
            m.ToolResult("t", True, (m.TextContent("a"),)),
        ),
        (
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image", "source": {"media_type": "image/png", "data": "QQ=="}},
                    {"type": "text", "text": "b"},
                ],
            },
            m.ToolResult(
                "t",
                False,
                (m.TextContent("a"), m.ImageContent("image/png", "QQ=="), m.TextContent("b")),
            ),
        ),
        (
            {"type": "redacted_thinking", "data": "x"},
            m.OtherContent("redacted_thinking", {"type": "redacted_thinking", "data": "x"}),
        ),
    ],
)
def test_each_type_of_content_has_its_value(block: Json, content: m.Content) -> None:
    assert assistant(block).content == (content,)


def test_a_prompt_may_be_a_text_or_a_list_of_blocks() -> None:
    assert user("hello").content == (m.TextContent("hello"),)
    assert user([{"type": "text", "text": "hello"}]).content == (m.TextContent("hello"),)


@pytest.mark.parametrize("mark", ["isMeta", "isCompactSummary", "isSynthetic"])
def test_synthetic_user_message_is_marked(mark: str) -> None:
    assert user("hello", **{mark: True}).is_meta
    assert not user("hello", **{mark: False}).is_meta


def test_a_tools_own_account_of_its_result_is_spelt_in_two_ways() -> None:
    assert user([], tool_use_result={"a": 1}).tool_result == {"a": 1}
    assert user([], toolUseResult={"a": 1}).tool_result == {"a": 1}


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("permission-rule", m.Refusal.DENIED),
        ("user-rejected", m.Refusal.INTERRUPTED),
        ("of next year", None),
    ],
)
def test_refusal_reason_is_in_stdout_and_history(kind: str, refusal: m.Refusal | None) -> None:
    assert user([], tool_result_meta=[{"non_execution_kind": kind}]).refusal == refusal
    assert user([], toolDenialKind=kind).refusal == refusal


def test_prompt_read_in_mid_turn_is_a_prompt_in_history() -> None:
    queued = {"type": "queued_command", "prompt": "and this", "source_uuid": "p"}
    prompt = parse(type="attachment", uuid="u", attachment={**queued, "commandMode": "prompt"})
    assert isinstance(prompt, m.User)
    assert (prompt.uuid, prompt.content) == ("p", (m.TextContent("and this"),))
    assert not prompt.is_meta
    note = parse(
        type="attachment", uuid="u", attachment={**queued, "commandMode": "task-notification"}
    )
    assert isinstance(note, m.User)
    assert note.is_meta


def test_a_slash_commands_output_is_the_same_event_on_stdout_and_in_history() -> None:
    output = "<local-command-stdout>$1</local-command-stdout>"
    live = parse(type="assistant", uuid="u", message={}, local_command_source=output)
    past = parse(type="system", subtype="local_command", uuid="u", content=output)
    assert isinstance(live, m.SystemEvent)
    assert isinstance(past, m.SystemEvent)
    assert (live.subtype, live.uuid) == (past.subtype, past.uuid)
    assert live.raw["content"] == past.raw["content"]


def test_an_api_error_is_marked_on_stdout_and_in_history() -> None:
    assert assistant(error="unknown").error == "unknown"
    assert assistant(isApiErrorMessage=True).error == ""
    assert assistant().error is None


def test_a_subagents_line_in_the_main_history_is_no_part_of_the_conversation() -> None:
    sidechain = parse(type="user", isSidechain=True, message={"content": "hello"})
    assert isinstance(sidechain, m.Unknown)
    assert sidechain.type == "sidechain"


def test_a_result_counts_the_tokens_that_were_read_from_the_cache() -> None:
    usage = {
        "input_tokens": 1,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 300,
        "output_tokens": 7,
    }
    turn = result(usage=usage, total_cost_usd=0.5, duration_ms=12, result="done")
    assert (turn.input_tokens, turn.output_tokens) == (321, 7)
    assert (turn.cost_usd, turn.duration_ms, turn.text) == (0.5, 12, "done")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1", "9" * 400])
def test_non_finite_number_is_omitted(number: str) -> None:
    fields = ("duration_ms", "num_turns", "total_cost_usd")
    numbers = ",".join(f'"{field}":{number}' for field in fields)
    usage = f'"usage":{{"input_tokens":{number},"output_tokens":{number}}}'
    turn = parser.parse(f'{{"type":"result","is_error":false,{numbers},{usage}}}'.encode())
    assert isinstance(turn, m.TurnResult)
    assert (turn.duration_ms, turn.turns, turn.input_tokens, turn.output_tokens) == (0, 0, 0, 0)
    assert turn.cost_usd is None


# --- what is no message ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Warning: something on stdout",
        b'{"type":"user"',
        b"[1]",
        b"null",
        b'{"type":7}',
        b"\xff\xfe",
        b"9" * 5000,
        b"[" * 100_000,
        b'{"type":"user","a":' * 20_000,
    ],
)
def test_non_message_line_is_kept_verbatim(line: bytes) -> None:
    message = parser.parse(line)
    assert message == m.Malformed(line.decode("utf-8", "replace"))


def test_excessively_nested_content_is_kept_whole() -> None:
    content: list[Any] = []
    for _ in range(400):
        content = [{"type": "tool_result", "content": content}]
    line = json.dumps({"type": "user", "message": {"content": content}}).encode()
    message = parser.parse(line)
    assert isinstance(message, m.Unknown)
    assert message.type == "user"


def test_excessively_nested_request_is_unanswerable() -> None:
    """It is refused, so that Claude neither waits for ever nor has to be prompted again."""
    request = {"subtype": "can_use_tool", "input": {}}
    line = json.dumps({"type": "control_request", "request_id": "r", "request": request}).encode()
    message = parser.parse(line.replace(b"{}", b'{"a":' * 500 + b"1" + b"}" * 500))
    assert isinstance(message, m.Unknown)
    assert (message.type, message.raw["request_id"]) == ("control_request", "r")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_non_json_number_becomes_null(number: str) -> None:
    line = f'{{"type":"of_tomorrow","much":[{number}, 1.5]}}'.encode()
    assert parser.parse(line) == m.Unknown(
        "of_tomorrow", {"type": "of_tomorrow", "much": [None, 1.5]}
    )


def test_half_a_surrogate_pair_becomes_a_sign_that_can_be_shown() -> None:
    raw = {"type": HALF, HALF: [HALF, "\U0001f600"]}
    assert parser.parse(json.dumps(raw).encode()) == m.Unknown(
        "\ufffd", {"type": "\ufffd", "\ufffd": ["\ufffd", "\U0001f600"]}
    )


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([*TYPES, HALF, 10**30, "text", "tool_result", "init", "can_use_tool"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WELL_KNOWN), inner, max_size=6)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(WELL_KNOWN), values, max_size=8)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TYPES), objects)
def test_any_object_of_any_type_is_a_message_that_can_be_written_to_a_page(
    type_: str, fields: dict[str, Any]
) -> None:
    message = parser.parse(json.dumps({**fields, "type": type_}).encode())
    assert not isinstance(message, m.Malformed)
    str(message).encode()


ODD: tuple[Any, ...] = (
    *(None, True, -1, 1.5, "", "x", [], {}, [[]], [{}], ["x"]),
    *({"type": ["x"]}, {"x": None}, [{"type": "text", "text": 5}], "<bash-input>x"),
)


def test_no_change_to_a_real_line_makes_reading_fail(captured: Captured) -> None:
    """Odd values in any place of each shape of line, up to five levels down: read and folded.

    Each place gets some of the values in turn; with FUZZ, all of them.
    """
    turn = itertools.count()
    shapes: dict[object, Any] = {}
    for line in captured.stdout + captured.history:
        raw = json.loads(line)
        shapes.setdefault((raw["type"], tuple(path for path, _ in places_in(raw))), raw)
    assert len(shapes) > 40
    for raw in shapes.values():
        for path, holder in places_in(raw):
            kept = holder[path[-1]]
            for odd in odd_values(next(turn)):
                holder[path[-1]] = odd
                read_and_fold(json.dumps(raw).encode())
            holder[path[-1]] = kept


def odd_values(turn: int) -> Iterator[Any]:
    chosen = range(len(ODD)) if FACTOR > 1 else range(turn % 5, len(ODD), 5)
    return (ODD[index] for index in chosen)


def read_and_fold(line: bytes) -> None:
    for run_id in (None, "r"):
        transcript = Transcript("0", run_id=run_id)
        transcript.feed(parser.parse(line), 10)
    found = json_lines.read(line)
    lineage = Lineage()
    lineage.add(found.content if found else {})


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The paths to all places in lists and objects, each with the list or object itself."""
    keys = list(value) if isinstance(value, dict) else range(min(2, len(value)))
    for key in keys:
        yield (*path, key), value
        if isinstance(value[key], dict | list) and len(path) < 4:
            yield from places_in(value[key], (*path, key))


@settings(max_examples=300, deadline=None)
@given(st.binary())
def test_any_bytes_are_a_message(line: bytes) -> None:
    parser.parse(line)


def test_the_real_cli_prints_no_line_that_is_malformed(captured: Captured) -> None:
    parsed = [parser.parse(line) for line in captured.stdout + captured.history]
    assert not [message for message in parsed if isinstance(message, m.Malformed)]


# --- to Claude ------------------------------------------------------------------------------


any_text = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["a\nb\r\nc\u2028d\x85e\x00f", HALF, '"}\n{"type":"control_request"}']
)


def one_line(line: bytes) -> bytes:
    assert line.endswith(b"\n")
    assert not {b"\n", b"\r"} & {line[i : i + 1] for i in range(len(line) - 1)}
    return line


def sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@given(any_text)
def test_prompt_line_round_trips(text: str) -> None:
    message = parser.parse(one_line(encoder.prompt_line("the id", text)))
    assert isinstance(message, m.User)
    assert message.uuid == "the id"
    assert message.content == (m.TextContent(sendable(text)),)


@given(any_text, any_text)
def test_allow_response_contains_the_input(request_id: str, text: str) -> None:
    message = parser.parse(one_line(encoder.allow_line(request_id, {"command": text})))
    answer = {"behavior": "allow", "updatedInput": {"command": sendable(text)}}
    assert message == m.ControlResponse(sendable(request_id), True, answer, "")


@given(any_text, any_text)
def test_deny_response_contains_the_reason(request_id: str, reason: str) -> None:
    message = parser.parse(one_line(encoder.deny_line(request_id, reason)))
    answer = {"behavior": "deny", "message": sendable(reason)}
    assert message == m.ControlResponse(sendable(request_id), True, answer, "")


def test_unanswerable_request_is_refused() -> None:
    message = parser.parse(one_line(encoder.refusal_line("r")))
    assert isinstance(message, m.ControlResponse)
    assert not message.ok
    assert message.error


def test_our_own_requests_carry_their_arguments() -> None:
    line = one_line(encoder.control_line("r", "set_permission_mode", mode="plan"))
    assert json.loads(line) == {
        "type": "control_request",
        "request_id": "r",
        "request": {"subtype": "set_permission_mode", "mode": "plan"},
    }
