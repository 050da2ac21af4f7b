"""A conversation with the real CLI over pipes, and requests to the scripted Messages API."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast

PATH = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
Message = Mapping[str, Any]


def eventually(condition: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)


class Conversation:
    """A Claude process, spoken to over stdin and stdout."""

    def __init__(self, argv: list[str], cwd: Path, env: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.is_idle = True
        """Whether the turn of the last prompt has been read to its end."""
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    def send(self, message: Message) -> None:
        stdin = cast(IO[bytes], self.process.stdin)
        stdin.write(json.dumps(message).encode() + b"\n")
        stdin.flush()

    def prompt(self, text: str) -> None:
        self.is_idle = False
        self.send({"type": "user", "message": {"role": "user", "content": text}})

    def until(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """Read messages up to the wanted one, which is the last of the list."""
        seen: list[Message] = []
        for line in cast(IO[bytes], self.process.stdout):
            seen.append(json.loads(line))
            if wanted(seen[-1]):
                return seen
        raise AssertionError(f"Claude ended: {self.log.read_text()}")

    def turn(self) -> list[Message]:
        found = self.until(lambda m: m["type"] == "result")
        self.is_idle = True
        return found

    def asked(self, tool: str) -> Message:
        """Wait for the permission prompt, which must be for this tool."""
        request = self.until(lambda m: m["type"] == "control_request")[-1]
        assert request["request"]["subtype"] == "can_use_tool"
        assert request["request"]["tool_name"] == tool
        return request

    def answer(self, request: Message, response: Message) -> None:
        body = {
            "subtype": "success",
            "request_id": request["request_id"],
            "response": response,
        }
        self.send({"type": "control_response", "response": body})

    def allow(self, request: Message, **changes: Any) -> None:
        given = {**request["request"]["input"], **changes}
        self.answer(request, {"behavior": "allow", "updatedInput": given})

    def deny(self, request: Message) -> None:
        self.answer(request, {"behavior": "deny", "message": "Not now."})

    def close(self) -> None:
        cast(IO[bytes], self.process.stdin).close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            cast(IO[bytes], self.process.stdout).close()


Talk = Callable[..., Conversation]


def deltas(messages: list[Message]) -> list[str]:
    events = [m["event"] for m in messages if m["type"] == "stream_event"]
    found = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    return [d["text"] for d in found if d["type"] == "text_delta"]


def said(messages: list[Message]) -> str:
    """The text of the turn's last message."""
    blocks = [b for m in messages if m["type"] == "assistant" for b in m["message"]["content"]]
    return str([b["text"] for b in blocks if b["type"] == "text"][-1])


def ask(base_url: str, body: Message | bytes, path: str = "/v1/messages") -> tuple[int, Any]:
    port = int(base_url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def asking(prompt: str, **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": prompt}
    return {"model": "m", "tools": [{"name": "Bash"}], "messages": [message], **more}
