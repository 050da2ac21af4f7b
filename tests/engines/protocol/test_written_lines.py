"""Encoding of the lines that are sent to Claude."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines import contents
from opcode_htmx.engines import messages as m
from opcode_htmx.engines.claude.protocol import encoder, parser
from tests.engines.protocol.odd_values import HALF

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
    assert message.content == (contents.TextContent(sendable(text)),)


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
