"""The scenarios of the scripted model for the real CLI, by the words of the plan."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.plan import FOR_EVER
from opcode_htmx.engines.claude.demo.messages_api import (
    ApiError,
    MessagesApi,
    Request,
    Scene,
    Text,
    Thinking,
)
from opcode_htmx.engines.claude.demo.script import ToolUse

WORDS = " ".join(f"word{number}" for number in range(300))
BACKGROUND = "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo left it"


@contextmanager
def speaking() -> Iterator[MessagesApi]:
    """The model; answers without an end are held until the block is over."""
    never = threading.Event()
    with MessagesApi(_scenes(never), pace=0.005) as api:
        try:
            yield api
        finally:
            never.set()


def _scenes(never: threading.Event) -> tuple[Scene, ...]:
    return (
        Scene("for ever", FOR_EVER, [Text(WORDS, gate=never)]),
        Scene("say", "say", [Text("A few **words**.")]),
        Scene("stream", "stream", [Text(WORDS)]),
        Scene("think", "think", [(Thinking("Let me see."), Text("I thought."))]),
        Scene("make", "make", [(Text("I will."), _bash("touch made.txt")), _outcome]),
        Scene("leave", "leave", [_bash(BACKGROUND), _outcome]),
        Scene("fail", "fail", [ApiError(400, "invalid_request_error", "No <such> thing.")]),
        Scene("anything", "", [Text("Yes.")]),
    )


def _bash(line: str) -> ToolUse:
    return ToolUse("Bash", {"command": line, "description": "Do it"})


def _outcome(request: Request) -> Text:
    result = request.last_tool_result
    return Text("It was refused." if result is None or result.is_error else "It is done.")
