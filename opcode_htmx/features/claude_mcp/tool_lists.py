"""Ask an MCP server itself what its tools are for: Claude says only how they are called.

A client for one request. It has no login, so a server that wants one gives no descriptions.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import gevent
from gevent import subprocess

from opcode_htmx.engines.claude.config import mcp_definitions
from opcode_htmx.lib import bounded_json
from opcode_htmx.runs.processes.claude_process import sweep
from opcode_htmx.runs.processes.process_table import MARK

SECONDS = 10.0
MOST_BYTES = 4 * 1024 * 1024
LONGEST = 2000
"""Characters of a description."""
MOST_TOOLS = 500
_VERSION = "2025-06-18"


class _Channel(Protocol):
    def ask(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a request; empty for a notification."""


def descriptions(
    content: Mapping[str, Any], folder: Path, environment: Mapping[str, str]
) -> dict[str, str]:
    """What the server says about each of its tools; empty where it does not say. Never raises."""
    if "${" in json.dumps(dict(content)):
        return {}  # Claude alone knows what it would put there
    failures = (OSError, ValueError, KeyError, TypeError, http.client.HTTPException)
    limit = gevent.Timeout.start_new(SECONDS)
    try:
        match mcp_definitions.transport(content):
            case "stdio":
                with _started(content, folder, environment) as channel:
                    return _list(channel)
            case "http":
                return _list(_Http(content))
    except failures:
        pass
    except gevent.Timeout as reached:
        if reached is not limit:
            raise
    finally:
        limit.close()
    return {}


def _list(channel: _Channel) -> dict[str, str]:
    about = {
        "protocolVersion": _VERSION,
        "capabilities": {},
        "clientInfo": {"name": "opcode-htmx", "version": "1"},
    }
    channel.ask({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about})
    channel.ask({"jsonrpc": "2.0", "method": "notifications/initialized"})
    found: dict[str, str] = {}
    cursor: object = None
    for number in range(2, 12):
        params = {"cursor": cursor} if cursor else {}
        asked = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": params}
        result = channel.ask(asked)["result"]
        for each in result["tools"][:MOST_TOOLS]:
            found[str(each["name"])] = str(each.get("description") or "")[:LONGEST]
        cursor = result.get("nextCursor")
        if not cursor:
            break
    return found


class _Stdio:
    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    def ask(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._child.stdin is None or self._child.stdout is None:
            raise ValueError("the pipes are missing")
        self._child.stdin.write(json.dumps(message).encode() + b"\n")
        self._child.stdin.flush()
        while "id" in message:
            line = self._child.stdout.readline(MOST_BYTES)
            if not line:
                raise ValueError("it has ended")
            answer = bounded_json.loads(line)
            if isinstance(answer, dict) and answer.get("id") == message["id"]:
                return answer
        return {}


@contextlib.contextmanager
def _started(
    content: Mapping[str, Any], folder: Path, environment: Mapping[str, str]
) -> Iterator[_Stdio]:
    mark = uuid.uuid4().hex
    child = subprocess.Popen(
        [content["command"], *content.get("args", [])],
        cwd=folder,
        env={**environment, **content.get("env", {}), MARK: mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield _Stdio(child)
    finally:
        child.kill()
        child.wait()
        sweep(mark)
        for stream in (child.stdin, child.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


class _Http:
    """The streamable transport: an answer is JSON, or an event stream with it."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._url = urlsplit(content["url"])
        self._headers = {
            **content.get("headers", {}),
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }

    def ask(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        connection: http.client.HTTPConnection
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        try:
            connection.request("POST", path, json.dumps(message).encode(), self._headers)
            response = connection.getresponse()
            if response.status not in (200, 202):
                raise ValueError(f"status {response.status}")
            if session := response.headers.get("Mcp-Session-Id"):
                self._headers["Mcp-Session-Id"] = session
            self._headers["MCP-Protocol-Version"] = _VERSION
            if "id" not in message:
                return {}
            if response.headers.get_content_type() == "text/event-stream":
                return self._from_stream(response, message["id"])
            answer = bounded_json.loads(response.read(MOST_BYTES))
            return answer if isinstance(answer, dict) else {}
        finally:
            connection.close()

    def _from_stream(self, response: http.client.HTTPResponse, wanted: object) -> Mapping[str, Any]:
        read = 0
        while (line := response.readline(MOST_BYTES)) and read < MOST_BYTES:
            read += len(line)
            if line.startswith(b"data:"):
                answer = bounded_json.loads(line.removeprefix(b"data:").strip())
                if isinstance(answer, dict) and answer.get("id") == wanted:
                    return answer
        raise ValueError("no answer in the stream")
