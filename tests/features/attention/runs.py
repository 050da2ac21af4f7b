"""Runs that are begun, asked and ended, and the page that lists them."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.cli.supervision import FOREVER
from tests.support.environment import until
from tests.support.server import Server

Stray = Callable[[Path], subprocess.Popen[bytes]]


def begin(server: Server, *steps: list[object]) -> Path:
    """Begin a session; the folder of its run, once Claude has done this much."""
    fields = {
        "folder": str(server.sandbox.project),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
        "prompt": json.dumps([["text", "ready"], *steps, ["text", "set"], FOREVER]),
    }
    begun = server.post("/sessions", fields)
    assert begun.status_code == 303, begun.text
    session_id = begun.headers["Location"].rpartition("/")[2].removesuffix("#end")
    folders = (path.parent for path in (server.sandbox.state / "runs").glob("*/run.json"))
    folder = next(each for each in folders if record(each)["session_id"] == session_id)
    word = "request_id" if ["ask", "r1"] in steps else "set"
    until(lambda: word in (folder / "out.ndjson").read_text(), "Claude has begun")
    return folder


def record(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return loaded


def ended(server: Server) -> Path:
    """The folder of a run that has been stopped."""
    folder = begin(server)
    server.post(f"/runs/{folder.name}/stop", {})
    until(lambda: record(folder)["end"], "it has ended")
    return folder


def asks(request_id: str, **tool_input: str) -> list[list[object]]:
    """Steps that ask for permission to run a command."""
    tool = {"tool_name": "Bash", "description": tool_input.get("description", "")}
    request = {"subtype": "can_use_tool", "input": tool_input, **tool}
    return [["say", {"type": "control_request", "request_id": request_id, "request": request}]]
