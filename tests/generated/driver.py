"""A process of the real CLI in a generated session, with every permission allowed."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from opcode_htmx.engines.claude.protocol import argv, encoder, json_lines
from tests.support.environment import Sandbox, until

TIMEOUT = 40.0


class Driver:
    """A process of the CLI with the arguments of the app, at the other end of pipes.

    It allows whatever Claude asks for."""

    def __init__(self, name: str, arguments: tuple[str, ...], sandbox: Sandbox, url: str) -> None:
        self.name, self.arguments = name, arguments
        self.sent: list[bytes] = []
        self.lines: list[bytes] = []
        self.messages: list[dict[str, Any]] = []
        self.history_start = 0
        self.last_prompt = ""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            arguments,
            cwd=sandbox.project,
            env=argv.environment(sandbox.environment(url), argv.FORWARD_SUBAGENT_ENV),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with self._lock:
            self.sent.append(line)
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def count(self, type_: str) -> int:
        return sum(message["type"] == type_ for message in list(self.messages))

    def wait(self, what: str, count: int = 1) -> None:
        """Wait until there are so many lines of this type, or the process has ended."""
        until(lambda: self.count(what) >= count or self.ended, f"{self.name}: {what}", TIMEOUT)
        assert self.count(what) >= count, f"{self.name} ended without {what}"

    def answer(self, request_id: str) -> dict[str, Any]:
        """The answer to one of our own requests."""

        def found() -> dict[str, Any]:
            for message in list(self.messages):
                response = message.get("response") or {}
                if message["type"] == "control_response" and (
                    response.get("request_id") == request_id
                ):
                    return dict(response)
            return {}

        return until(found, f"{self.name}: the answer to {request_id}", TIMEOUT)

    @property
    def sessions(self) -> list[str]:
        """The ids of the sessions in which it was, oldest first."""
        ids = [str(each["session_id"]) for each in list(self.messages) if each.get("session_id")]
        return list(dict.fromkeys(ids))

    @property
    def is_quiet(self) -> bool:
        """Whether no task in the background is left, nor a turn that its end begins."""
        tasks, open_ = list[object](), False
        for message in list(self.messages):
            match message:
                case {"type": "system", "subtype": "background_tasks_changed", "tasks": list(now)}:
                    tasks = now
                case {"type": "system", "subtype": "task_notification"}:
                    open_ = True
                case {"type": "result"}:
                    open_ = False
        return not tasks and not open_

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None and not self._reader.is_alive()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)

    def kill(self) -> None:
        self._process.kill()
        self.end()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                self._take(line)

    def _take(self, line: bytes) -> None:
        self.lines.append(line)
        read = json_lines.read(line)
        if read is None:
            return
        self.messages.append(read.content)
        match read.content:
            case {
                "type": "control_request",
                "request_id": str(request_id),
                "request": {"subtype": "can_use_tool", "input": dict(wanted)},
            }:
                self.send(encoder.allow_line(request_id, {**wanted, **_answers(wanted)}))


def _answers(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The answers added to the input of a tool: the first option of each question."""
    if "questions" not in wanted:
        return {}
    chosen = {each["question"]: each["options"][0]["label"] for each in wanted["questions"]}
    return {"answers": chosen}
