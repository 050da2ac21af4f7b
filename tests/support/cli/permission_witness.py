"""What the real CLI does with tool calls: allow, ask for or deny each of them."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.engines.claude.protocol import argv, encoder
from tests.support.environment import Sandbox, make_executable

AT_ONCE = 8
"""Calls of one answer: a request for each alone would take half as long again."""
_DENIED = ("denied", "deny rule", "blocked", "No such tool")
Call = tuple[str, dict[str, Any]]
"""A tool and its input."""


def decisions(
    claude: Path, sandbox: Sandbox, calls: Sequence[Call], mode: str | None = None
) -> list[str]:
    """`allowed`, `asked`, `denied` or `judged` for each call in the project of a sandbox.

    The calls that are allowed are carried out, but for npm, whose start is long; those that are
    asked for are refused.
    """
    uses = [ToolUse(tool, given) for tool, given in calls]
    turns = [tuple(uses[begin : begin + AT_ONCE]) for begin in range(0, len(uses), AT_ONCE)]
    with MessagesApi([Scene("calls", "", [*turns, Text("Done.")])]) as api:
        command = argv.build(
            claude, str(uuid.uuid4()), resume=False, permission_mode=mode, allow_bypass=True
        )
        variables = sandbox.environment(api.url)
        programs = sandbox.home / "programs"
        programs.mkdir()
        make_executable(programs / "npm", "#!/bin/sh\nexit 1\n")
        variables["PATH"] = f"{programs}{os.pathsep}{variables['PATH']}"
        process = subprocess.Popen(
            [*command, "--no-session-persistence"],
            cwd=sandbox.project,
            env={**variables, "IS_SANDBOX": "1"},  # for root to bypass
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            return _played(process)
        finally:
            process.kill()
            process.wait()


def _played(process: subprocess.Popen[bytes]) -> list[str]:
    assert process.stdin is not None
    assert process.stdout is not None

    def send(line: bytes) -> None:
        assert process.stdin is not None
        process.stdin.write(line)
        process.stdin.flush()

    send(encoder.prompt_line(str(uuid.uuid4()), "Go."))
    calls: list[str] = []
    asked: set[str] = set()
    found: dict[str, str] = {}
    for line in process.stdout:
        message = json.loads(line)
        match message:
            case {"type": "control_request", "request_id": request_id, "request": request}:
                asked.add(request["tool_use_id"])
                send(encoder.deny_line(request_id, "no"))
            case {"type": "assistant", "message": {"content": list(parts)}}:
                calls += [part["id"] for part in parts if part["type"] == "tool_use"]
            case {"type": "user", "message": {"content": list(parts)}}:
                for result in parts:
                    if result["type"] == "tool_result":
                        call = result["tool_use_id"]
                        found[call] = "asked" if call in asked else _outcome(result)
            case {"type": "result"}:
                break
    process.stdin.close()
    process.stdout.close()
    return [found[call] for call in calls]


def _outcome(result: dict[str, Any]) -> str:
    text = json.dumps(result.get("content"))
    if not result.get("is_error"):
        return "allowed"
    assert "Sibling" not in text, "it was left out because another one failed"
    if "safety check" in text:  # by a model, which this API is not
        return "judged"
    return "denied" if any(word in text for word in _DENIED) else "allowed"
