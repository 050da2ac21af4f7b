"""A process of the real CLI that a script talks to."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from opcode_htmx.engines.claude.protocol import argv, encoder, parser
from opcode_htmx.engines.messages import Message, PermissionRequest, TurnResult
from tests.support.environment import Sandbox

M = TypeVar("M")


class Claude:
    """The real CLI at the other end of two pipes."""

    def __init__(self, binary: Path, sandbox: Sandbox, api_url: str) -> None:
        self.session_id = str(uuid.uuid4())
        self.prompts: dict[str, str] = {}
        self.lines: list[bytes] = []
        arguments = argv.build(binary, self.session_id, resume=False, permission_mode=None)
        self._process = subprocess.Popen(
            arguments,
            cwd=sandbox.project,
            env=argv.environment(sandbox.environment(api_url), argv.FORWARD_SUBAGENT_ENV),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def prompt(self, text: str) -> str:
        prompt_id = self.prompts[text.split()[0]] = str(uuid.uuid4())
        self.send(encoder.prompt_line(prompt_id, text))
        return prompt_id

    def next(self, type_: type[M], where: Callable[[M], bool] = lambda _: True) -> M:
        """Read on until there is a message of this type."""
        while True:
            message = self._read()
            if isinstance(message, type_) and where(message):
                return message

    def _read(self) -> Message:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "Claude has ended"
        self.lines.append(line)
        return parser.parse(line)

    def turn(self, text: str, **changes: object) -> None:
        """A prompt whose one request is allowed, with `changes` to its input."""
        self.prompt(text)
        ask = self.next(PermissionRequest)
        self.send(encoder.allow_line(ask.request_id, {**ask.input, **changes}))
        self.next(TurnResult)

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self.lines.extend(self._process.stdout.readlines())
        self._process.stdout.close()
        self._process.wait(20)
