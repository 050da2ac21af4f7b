"""What asks for Claude's capabilities, and the answer."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.environment import Sandbox


def with_programs(sandbox: Sandbox) -> Path:
    """Have the project and the person start programs with every session; where they leave marks."""
    traces = sandbox.home / "traces"
    traces.mkdir()

    def touch(name: str) -> dict[str, str]:
        return {"type": "command", "command": f"touch {traces / name}"}

    claude = sandbox.project / ".claude"
    (claude / "commands").mkdir(parents=True)
    (claude / "commands" / "prune.md").write_text("---\ndescription: Prune the trees\n---\nPrune.")
    hooks = {
        "SessionStart": [{"hooks": [touch("hook")]}],
        "SessionEnd": [{"hooks": [touch("end")]}],
    }
    helper = f"touch {traces / 'helper'}; echo key"
    (claude / "settings.json").write_text(json.dumps({"hooks": hooks, "apiKeyHelper": helper}))
    server = {"command": "sh", "args": ["-c", f"touch {traces / 'mcp'}; sleep 60"]}
    for path in (sandbox.project / ".mcp.json", sandbox.config_dir / ".claude.json"):
        path.write_text(json.dumps({"mcpServers": {"one": server}}))
    return traces
