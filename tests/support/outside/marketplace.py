"""A marketplace of the tests' own: a folder with one plugin, which has one part of each kind."""

from __future__ import annotations

import json
from pathlib import Path

NAME = "orchard"
PLUGIN = "greeter@orchard"


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def make(root: Path, hook: str = "true") -> Path:
    """Make it at `root`; `hook` is the command of the plugin's hook."""
    listed = {"name": "greeter", "source": "./plugins/greeter", "description": "Greets people"}
    far = {"name": "far", "source": {"source": "github", "repo": "someone/far"}}
    write(
        root / ".claude-plugin/marketplace.json",
        {"name": NAME, "owner": {"name": "Ann"}, "plugins": [listed, far]},
    )
    plugin = root / "plugins/greeter"
    write(
        plugin / ".claude-plugin/plugin.json",
        {"name": "greeter", "version": "1.0.0", "description": "Greets people politely"},
    )
    write(plugin / "commands/hello.md", "---\ndescription: Say hello\n---\nSay hello.\n")
    write(plugin / "agents/waver.md", "---\nname: waver\ndescription: Waves\n---\nWave.\n")
    write(plugin / "skills/wave/SKILL.md", "---\nname: wave\ndescription: Wave well\n---\nWave.\n")
    command = {"type": "command", "command": hook}
    group = {"matcher": "Bash", "hooks": [command]}
    write(plugin / "hooks/hooks.json", {"hooks": {"PreToolUse": [group]}})
    server = {"command": "cat", "args": ["--token", "t0p-secret"]}
    write(plugin / ".mcp.json", {"mcpServers": {"echo": server}})
    return root
