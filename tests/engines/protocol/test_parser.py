"""Parsing of Claude's lines into messages."""

from __future__ import annotations

import json

import pytest

from opcode_htmx.engines import contents
from opcode_htmx.engines import messages as m
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.lib.coerce import Json


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
            m.BlockStart("msg_1", 2, contents.TextContent(""), None),
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
        ({"type": "text", "text": "a"}, contents.TextContent("a")),
        ({"type": "thinking", "thinking": "a"}, contents.ThinkingContent("a")),
        (
            {"type": "tool_use", "id": "t", "name": "Bash", "input": {"a": 1}},
            contents.ToolUse("t", "Bash", {"a": 1}),
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": "a", "is_error": True},
            contents.ToolResult("t", True, (contents.TextContent("a"),)),
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
            contents.ToolResult(
                "t",
                False,
                (
                    contents.TextContent("a"),
                    contents.ImageContent("image/png", "QQ=="),
                    contents.TextContent("b"),
                ),
            ),
        ),
        (
            {"type": "redacted_thinking", "data": "x"},
            contents.OtherContent("redacted_thinking", {"type": "redacted_thinking", "data": "x"}),
        ),
    ],
)
def test_each_type_of_content_has_its_value(block: Json, content: contents.Content) -> None:
    assert assistant(block).content == (content,)


def test_a_prompt_may_be_a_text_or_a_list_of_blocks() -> None:
    assert user("hello").content == (contents.TextContent("hello"),)
    assert user([{"type": "text", "text": "hello"}]).content == (contents.TextContent("hello"),)


@pytest.mark.parametrize("mark", ["isMeta", "isCompactSummary", "isSynthetic"])
def test_synthetic_user_message_is_marked(mark: str) -> None:
    assert user("hello", **{mark: True}).is_meta
    assert not user("hello", **{mark: False}).is_meta


def test_a_tools_own_account_of_its_result_is_spelt_in_two_ways() -> None:
    assert user([], tool_use_result={"a": 1}).tool_result == {"a": 1}
    assert user([], toolUseResult={"a": 1}).tool_result == {"a": 1}


def refusals(*results: Json, **fields: object) -> list[tuple[contents.Refusal | None, bool]]:
    """The refusal of each result of a line, and whether it was a person's."""
    failed = [{"type": "tool_result", "is_error": True, **result} for result in results]
    parts = user(failed, **fields).content
    found = [part for part in parts if isinstance(part, contents.ToolResult)]
    return [(part.refusal, part.is_denied_by_person) for part in found]


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("permission-rule", contents.Refusal.DENIED),
        ("user-rejected", contents.Refusal.INTERRUPTED),
        ("of next year", None),
    ],
)
def test_refusal_reason_is_in_stdout_and_history(
    kind: str, refusal: contents.Refusal | None
) -> None:
    meta = [{"non_execution_kind": kind}]
    assert refusals({"tool_use_id": "t"}, tool_result_meta=meta) == [(refusal, False)]
    assert refusals({"tool_use_id": "t"}, toolDenialKind=kind) == [(refusal, False)]


def test_each_result_of_a_line_has_a_refusal_of_its_own() -> None:
    by_person = {"decision": "reject", "source": "user_reject"}
    denied = {"non_execution_kind": "permission-rule", "permission_decision": by_person}
    meta = [{"id": "denied", **denied}, {"id": "failed"}]
    results = [{"tool_use_id": "denied"}, {"tool_use_id": "failed"}]
    found = refusals(*results, tool_result_meta=meta)
    assert found == [(contents.Refusal.DENIED, True), (None, False)]


def test_words_are_a_persons_only_where_the_call_was_rejected() -> None:
    result = {"tool_use_id": "t", "content": "Rejected; the user said:\nNot here."}
    kind = {"toolDenialKind": "user-rejected"}
    rejected = refusals(result, **kind, toolUseResult="User rejected tool use")
    assert rejected == [(contents.Refusal.DENIED, True)]
    for other in ({}, {"toolUseResult": "Error: a hook"}):
        assert refusals(result, **kind, **other) == [(contents.Refusal.INTERRUPTED, False)]


def test_prompt_read_in_mid_turn_is_a_prompt_in_history() -> None:
    queued = {"type": "queued_command", "prompt": "and this", "source_uuid": "p"}
    prompt = parse(type="attachment", uuid="u", attachment={**queued, "commandMode": "prompt"})
    assert isinstance(prompt, m.User)
    assert (prompt.uuid, prompt.content) == ("p", (contents.TextContent("and this"),))
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
