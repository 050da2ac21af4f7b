"""Rules as they are typed into their form, and as the CLI reads them."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.protocol import argv
from tests.support.apps.local_server import LocalServer
from tests.support.environment import find_claude

USER: dict[str, Any] = {
    "permissions": {
        "allow": ["Bash(npm test)", "mcp__github"],
        "ask": ["Bash(git push:*)"],
        "additionalDirectories": ["~/notes"],
        "unknownToAll": {"kept": 1},
    },
    "env": {"API_TOKEN": "t0p-secret"},
}


def rules_of_cli(server: LocalServer) -> set[tuple[str, str, str]]:
    """What a Claude of its own in the project says: behavior, source and rule."""
    claude = find_claude()
    assert claude is not None
    command = [*argv.build(claude, str(uuid.uuid4()), resume=False), "--no-session-persistence"]
    request = {"subtype": "list_permission_rules"}
    line = {"type": "control_request", "request_id": "1", "request": request}
    answer = subprocess.run(
        command,
        input=json.dumps(line).encode() + b"\n",
        cwd=server.sandbox.project,
        env=server.sandbox.environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    for each in answer.stdout.splitlines():
        found = json.loads(each)
        if found.get("type") == "control_response":
            rules = found["response"]["response"]["state"]["rules"]
            return {(rule["behavior"], rule["source"], rule["rule"]) for rule in rules}
    raise AssertionError(answer.stdout)


def content(path: Path) -> Any:
    return json.loads(path.read_text())
