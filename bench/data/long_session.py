"""One long session in the format of Claude's history file, written turn by turn.

Depends on the format of the history file, not on the app.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bench.data import material
from bench.data.history import SESSION_ID, STAMP, Turn

RESULT_BYTES = 4_600
"""The size of a line with a tool's result, so that 50 MB are 20,000 lines."""
TURNS_OF_A_PROCESS = 20
"""After so many the CLI ends, and records where the conversation goes on."""
USAGE = {"input_tokens": 12, "cache_read_input_tokens": 90_000, "output_tokens": 250}


def write(path: Path, cwd: Path, size: int) -> int:
    """Write a session in `cwd` of about `size` bytes; the number of its lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    turns = [list(_turn(number, cwd)) for number in range(len(material.MODULES))]
    written = lines = number = 0
    parent: str | None = None
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            for entry in turns[number % len(turns)]:
                line, parent = _line(entry, number, parent)
                written += file.write(line)
                lines += 1
            number += 1
            if number % TURNS_OF_A_PROCESS == 0:
                written += file.write(_end(parent))
                lines += 2
    return lines


def _turn(number: int, cwd: Path) -> Iterator[dict[str, object]]:
    """A turn with the fields that the CLI writes, and tool results of realistic length."""
    for entry in Turn(number, cwd).entries():
        message = entry["message"]
        assert isinstance(message, dict)
        if entry["type"] == "assistant":
            message |= {"model": "claude-opus-4-8", "type": "message", "usage": USAGE}
        elif "toolUseResult" not in entry:
            entry["promptSource"] = "typed"
        entry |= {"userType": "external", "version": "2.1.208", "gitBranch": "main"}
        room = RESULT_BYTES - len(json.dumps(entry))
        content = message["content"]
        if isinstance(content, list) and "tool_result" in str(content[0].get("type")) and room > 0:
            # a result beside its text, as most tools report it
            entry["toolUseResult"] = entry["toolUseResult"] or {"stdout": ""}
            content[0]["content"] += "\n" + material.code(number, 200)[:room]
        yield entry


def _line(entry: dict[str, object], number: int, parent: str | None) -> tuple[str, str]:
    """The line of an entry of the turn `number`, and its uuid."""
    of_turn = str(entry["uuid"])[9:]
    uuid = f"{number:08}-{of_turn}"
    text = json.dumps({"parentUuid": parent, **entry, "uuid": uuid}, separators=(",", ":"))
    for kind in ("msg_", "toolu_"):
        begin = f'"{kind}{str(entry["uuid"])[4:8]}'
        text = text.replace(begin, f'"{kind}{number:06}')
    return f"{text}\n", uuid


def _end(leaf: str | None) -> str:
    """What the CLI writes when it ends behind the entry `leaf`."""
    checkpoint = {"type": "last-prompt", "leafUuid": leaf, "sessionId": SESSION_ID}
    used = {"claude-opus-4-8": {"contextWindow": 200_000, "inputTokens": 90_000}}
    cost = {"type": "cost-state", "totalCostUSD": 1.25, "modelUsage": used}
    return "".join(f"{json.dumps(each, separators=(',', ':'))}\n" for each in (checkpoint, cost))


__all__ = ["SESSION_ID", "STAMP", "write"]
