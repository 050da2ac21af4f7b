"""Rules as they are typed into their form, and as the CLI reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.config.queries import PERMISSION_RULES
from tests.support.apps.local_server import LocalServer, said_by_claude

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
    """What the real CLI says in the project: behavior, source and rule."""
    answer: Any = said_by_claude(server.app, server.sandbox.project).answer(PERMISSION_RULES)
    rules = answer["state"]["rules"]
    return {(rule["behavior"], rule["source"], rule["rule"]) for rule in rules}


def content(path: Path) -> Any:
    return json.loads(path.read_text())
