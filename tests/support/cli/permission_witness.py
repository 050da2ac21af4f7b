"""What the real CLI does with tool calls: allow, ask for or deny each of them."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.engines.claude.demo.script import Step
from opcode_htmx.engines.claude.protocol import argv, encoder
from tests.support.environment import Sandbox, make_executable

AT_ONCE = 8
"""Calls of one answer: a request for each alone would take half as long again."""
_DENIED = ("denied", "deny rule", "blocked", "No such tool")
Call = tuple[str, dict[str, Any]]
"""A tool and its input."""


class Witness:
    """A CLI in the project of a sandbox, which takes one mode after the other."""

    def __init__(self, process: subprocess.Popen[bytes], turns: list[Step]) -> None:
        self._process = process
        self._turns = turns

    def decisions(self, calls: Sequence[Call], mode: str) -> list[str]:
        """`allowed`, `asked`, `denied` or `judged` for each call in a mode.

        The calls that are allowed are carried out, but for npm, whose start is long; those that
        are asked for are refused.
        """
        uses = [ToolUse(tool, given) for tool, given in calls]
        starts = range(0, len(uses), AT_ONCE)
        self._turns[:] = [*(tuple(uses[each : each + AT_ONCE]) for each in starts), Text("Done.")]
        self._send(encoder.control_line(mode, "set_permission_mode", mode=mode))
        self._send(encoder.prompt_line(str(uuid.uuid4()), "Go."))
        return self._played()

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _played(self) -> list[str]:
        assert self._process.stdout is not None
        calls: list[str] = []
        asked: set[str] = set()
        found: dict[str, str] = {}
        for line in self._process.stdout:
            message = json.loads(line)
            match message:
                case {"type": "control_response", "response": response}:
                    assert response["subtype"] == "success", response
                case {"type": "control_request", "request_id": request_id, "request": request}:
                    asked.add(request["tool_use_id"])
                    self._send(encoder.deny_line(request_id, "no"))
                case {"type": "assistant", "message": {"content": list(parts)}}:
                    calls += [part["id"] for part in parts if part["type"] == "tool_use"]
                case {"type": "user", "message": {"content": list(parts)}}:
                    for result in parts:
                        if result["type"] == "tool_result":
                            call = result["tool_use_id"]
                            found[call] = "asked" if call in asked else _outcome(result)
                case {"type": "result"}:
                    break
        return [found[call] for call in calls]


@contextmanager
def witness(claude: Path, sandbox: Sandbox) -> Iterator[Witness]:
    """A CLI whose settings files are written already."""
    turns: list[Step] = []
    with MessagesApi([Scene("calls", "", turns)]) as api:
        command = argv.build(claude, str(uuid.uuid4()), resume=False, allow_bypass=True)
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
            yield Witness(process, turns)
        finally:
            process.kill()
            process.communicate()


def _outcome(result: dict[str, Any]) -> str:
    text = json.dumps(result.get("content"))
    if not result.get("is_error"):
        return "allowed"
    assert "Sibling" not in text, "it was left out because another one failed"
    if "safety check" in text:  # by a model, which this API is not
        return "judged"
    return "denied" if any(word in text for word in _DENIED) else "allowed"
