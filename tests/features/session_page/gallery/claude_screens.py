"""What the sheets of the pages about Claude's configuration show, and their addresses."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

from opcode_htmx.features.claude_hooks import document
from tests.features.session_page.gallery.gallery import Gallery
from tests.support.environment import until
from tests.support.outside import marketplace
from tests.support.pages.claude_pages import form_of
from tests.support.server import Server

FORMAT = {"type": "command", "command": 'prettier --write "$(jq -r .tool_input.file_path)"'}
TEST = {"type": "command", "command": "make test || true"}
EVENT, MATCHER = "PostToolUse", "Edit|Write"
SETTINGS = {
    "model": "sonnet",
    "language": "English",
    "env": {"ORCHARD_TOKEN": "t0p", "TZ": "Europe/Berlin"},
    "cleanupPeriodDays": 90,
    "permissions": {
        "allow": ["Bash(git status:*)", "Read(~/notes/**)", "WebFetch(domain:example.org)"],
        "ask": ["Bash(git push:*)"],
        "deny": ["Read(.env)"],
    },
    "hooks": {
        EVENT: [{"matcher": MATCHER, "hooks": [FORMAT]}],
        "Stop": [{"hooks": [TEST]}],
    },
}
OF_USER = {
    "CLAUDE.md": "# How I work\n\n- Short functions\n- Tests first\n",
    "commands/release.md": "---\ndescription: Make a release\n---\nRelease version $1.\n",
    "skills/weigh/SKILL.md": "---\nname: weigh\ndescription: Weigh a harvest\n---\nIn kilograms.\n",
}
OF_PROJECT = {
    "CLAUDE.md": "# The orchard\n\nRun `make test` before a commit.\n\n@docs/style.md\n",
    "docs/style.md": "Two spaces.\n",
    ".claude/rules/tests.md": "---\npaths: tests/**\n---\nUse pytest.\n",
    ".claude/skills/prune/SKILL.md": (
        "---\nname: prune\ndescription: How the trees are pruned, and when\n---\nIn winter.\n"
    ),
    ".claude/agents/reviewer.md": (
        "---\nname: reviewer\ndescription: Reviews code before a commit\n---\nYou review code.\n"
    ),
}


def plant_configuration(gallery: Gallery) -> None:
    """Configure Claude: files, a rule, tested MCP servers, a marketplace.

    The rule is saved by its form, which keeps the project trusted.
    """
    sandbox = gallery.sandbox
    _write(sandbox.config_dir / "settings.json", json.dumps(SETTINGS, indent=2))
    for root, files in ((sandbox.config_dir, OF_USER), (sandbox.project, OF_PROJECT)):
        for name, text in files.items():
            _write(root / name, text)
    rule = f"/claude/permissions/rule?{urlencode({'folder': str(sandbox.project)})}"
    fields = {"kind": "allow", "text": "Bash(npm test)", "scope": "local"}
    saved = gallery.server.post(rule, {**form_of(gallery.server.get(rule).text), **fields})
    assert saved.status_code == 303, saved.text
    market = marketplace.make(sandbox.home / "market")
    chosen = {"folder": str(sandbox.project)}
    _do(gallery.server, "/claude/mcp/test", chosen)
    _do(gallery.server, "/claude/plugins/marketplaces", {**chosen, "source": str(market)})


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _do(server: Server, address: str, form: dict[str, str]) -> None:
    """Send a form, and wait for what it starts."""
    answer = server.post(address, form)
    assert answer.status_code == 303, answer.text
    act = answer.headers["Location"]
    until(lambda: "at work on it" not in server.get(act).text, f"{address} is done", 60)


def claude_addresses(gallery: Gallery) -> dict[str, str]:
    """The address of each page by the name of its sheet."""
    entry = document.Entry(EVENT, MATCHER, dict(FORMAT), is_read=True)
    pages = {
        "claude": "",
        "settings": "/settings",
        "setting": "/settings/model",
        "proxy": "/proxy",
        "permissions": "/permissions",
        "memory": "/memory",
        "mcp": "/mcp",
        "mcp-server": "/mcp/servers/user/weather",
        "mcp-new": "/mcp/new",
        "commands": "/commands",
        "subagents": "/agents",
        "hooks": "/hooks",
        "hook": f"/hooks/hook?{urlencode({'scope': 'user', 'event': EVENT, 'id': entry.id})}",
        "plugins": "/plugins",
        "plugin": f"/plugins/of/{marketplace.PLUGIN}",
        "account": "/account",
        "trust": "/trust",
        "files": "/files",
        "file": "/files/settings-user",
    }
    project = urlencode({"folder": str(gallery.sandbox.project)})
    return {
        name if name == "claude" else f"claude-{name}": f"/claude{page}"
        f"{'&' if '?' in page else '?'}{project}"
        for name, page in pages.items()
    }
