"""Lines of every kind of block, and a function that fails."""

from __future__ import annotations

from typing import Any

from tests.security.content.rendering import ask_line, line

ASK = {"command": "ls"}
FAULT = "a fault that was planted"


def says(text: str, kind: str = "text", **fields: Any) -> bytes:
    content = [{"type": kind, kind: text}]
    return line(
        type="assistant", uuid=f"u-{kind}", message={"id": kind, "content": content}, **fields
    )


def said_by_user(text: str, uuid_: str) -> bytes:
    return line(type="user", uuid=uuid_, message={"role": "user", "content": text})


USE = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
LINES = [
    said_by_user("A prompt", "u-prompt"),
    said_by_user("<bash-input>ls</bash-input>", "u-shell"),
    says("Words"),
    says("Thoughts", "thinking"),
    line(type="assistant", uuid="u-tool", message={"id": "m-tool", "content": [USE]}),
    line(type="system", subtype="compact_boundary", uuid="u-notice"),
    line(
        type="assistant",
        uuid="u-error",
        error="overloaded",
        message={"id": "m-error", "content": [{"type": "text", "text": "An error"}]},
    ),
    line(type="of_tomorrow", uuid="u-raw"),
    line(type="result", subtype="success", uuid="u-summary", duration_ms=7),
    ask_line("Bash", ASK),
]


def fail(*_: object, **__: object) -> Any:
    raise RuntimeError(FAULT)
