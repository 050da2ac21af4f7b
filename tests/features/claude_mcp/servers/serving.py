"""Servers that are added by forms, and as the CLI lists them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.features.context import AppContext
from tests.support.environment import Sandbox
from tests.support.mcp import stdio_server

SCRIPT = str(Path(stdio_server.__file__))
SECRET = "t0p-secret"


def cli(sandbox: Sandbox, claude: Path, *arguments: str) -> str:
    """What `claude mcp …` prints in the project."""
    done = subprocess.run(
        [str(claude), "mcp", *arguments],
        cwd=sandbox.project,
        env=sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def add(client: FlaskClient, **fields: str) -> TestResponse:
    given = {"kind": "stdio", "command": sys.executable, "args": SCRIPT, **fields}
    return client.post("/claude/mcp/new", data=given)


def given(sandbox: Sandbox, **servers: Mapping[str, object]) -> None:
    """Servers of the user, in Claude's own file; the script where nothing is said."""
    state = sandbox.config_dir / ".claude.json"
    known = json.loads(state.read_text()) if state.exists() else {}
    script = {"command": sys.executable, "args": [SCRIPT]}
    added = {
        name: {"type": "stdio", "env": {}, **(each or script)} for name, each in servers.items()
    }
    state.write_text(json.dumps({**known, "mcpServers": added}))


def servers_of_the_user(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Those in Claude's own file, from which the CLI has them."""
    state = json.loads((sandbox.config_dir / ".claude.json").read_text())
    found: dict[str, dict[str, Any]] = state["mcpServers"]
    return found


def trust(app: Flask, sandbox: Sandbox) -> None:
    context: AppContext = app.extensions["opcode_context"]
    context.runs.project_trust.accept(sandbox.project)


def api(client: FlaskClient, method: str, path: str, body: object = None, **query: str) -> Any:
    answer = client.open(f"/api/mcp/servers{path}", method=method, json=body, query_string=query)
    assert answer.status_code in (200, 201), answer.text
    return answer.get_json()["data"]
