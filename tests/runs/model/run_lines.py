"""Lines of a run, and the state that they give."""

from __future__ import annotations

import json
from typing import Any

from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.runs.model.run_state import RunState
from tests.support.cli.supervision import CODEC

PROMPT, NEXT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


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

SENT = encoder.prompt_line(PROMPT, "hello")


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
