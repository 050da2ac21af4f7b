"""The past of the sessions of the gallery, and the project that they work in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from opcode_htmx.engines.claude.files.history import project_id
from tests.features.session_page.gallery.script import APP, photo
from tests.support.environment import ROOT, Sandbox

LIMIT_ENDS = 1798800000

CHECK = r"""printf '\033[32m✓\033[0m counts trees\n\033[32m✓\033[0m weighs apples\n'
printf '\033[31m✗ fills baskets\033[0m\n  expected \033[1m65\033[0m, got \033[1m64\033[0m\n'
exit 1
"""

UNKNOWN = {"type": "tree_ring", "rings": 42, "note": "a kind of block that nobody knows yet"}


# Lines that Claude writes elsewhere
def past_lines(project: Path) -> list[dict[str, object]]:
    """A history of tools and lines that the CLI does not produce here."""
    calls: list[tuple[str, dict[str, object], str, object]] = [
        (
            "MultiEdit",
            {
                "file_path": str(project / "app.py"),
                "edits": [
                    {"old_string": "per_tree=40", "new_string": "per_tree=45"},
                    {"old_string": "size=15", "new_string": "size=20"},
                ],
            },
            "Applied 2 edits",
            None,
        ),
        (
            "Grep",
            {"pattern": "harvest"},
            "Found 2 files",
            {"mode": "files_with_matches", "numFiles": 2, "filenames": ["app.py", "notes.md"]},
        ),
        (
            "Glob",
            {"pattern": "**/*.py"},
            "app.py",
            {"numFiles": 1, "filenames": [str(project / "app.py")]},
        ),
        (
            "TodoWrite",
            {
                "todos": [
                    {"content": "Prune the trees", "status": "completed", "activeForm": "Pruning"},
                    {"content": "Sow", "status": "in_progress", "activeForm": "Sowing the meadow"},
                ]
            },
            "Todos have been modified successfully.",
            None,
        ),
        (
            "WebFetch",
            {"url": "https://example.org/pruning", "prompt": "When are pears pruned?"},
            "In **winter**, before the buds swell.",
            {"code": 200, "result": "In **winter**, before the buds swell."},
        ),
        (
            "WebSearch",
            {"query": "old apple varieties"},
            "Links: …",
            {
                "query": "old apple varieties",
                "results": [
                    {
                        "content": [
                            {"title": "Boskoop", "url": "https://example.org/boskoop"},
                            {"title": "Gravenstein", "url": "https://example.org/gravenstein"},
                        ]
                    },
                    "Two varieties that keep well.",
                ],
            },
        ),
    ]
    limit = {"status": "rejected", "rateLimitType": "five_hour", "resetsAt": LIMIT_ENDS}
    entries: list[dict[str, object]] = [
        {"type": "user", "message": {"role": "user", "content": "Look around the web"}}
    ]
    for number, (name, tool_input, output, details) in enumerate(calls):
        use = {"type": "tool_use", "id": f"call-{number}", "name": name, "input": tool_input}
        result = {"type": "tool_result", "tool_use_id": f"call-{number}", "content": output}
        entries += [
            {"type": "assistant", "message": {"id": f"m{number}", "content": [use]}},
            {
                "type": "user",
                "message": {"role": "user", "content": [result]},
                "toolUseResult": details,
            },
        ]
    entries += [
        {"type": "assistant", "message": {"id": "new", "content": [UNKNOWN]}},
        {"type": "rate_limit_event", "rate_limit_info": limit},
    ]
    return [
        {"uuid": f"past-{number}", "cwd": str(project), **entry}
        for number, entry in enumerate(entries)
    ]


# The house, and the play
def furnish(sandbox: Sandbox) -> None:
    """A project with files, an MCP server, a hook, and rules that keep most tools from asking."""
    project = sandbox.project
    (project / "app.py").write_text(APP, encoding="utf-8")
    (project / "check.sh").write_text(CHECK, encoding="utf-8")
    (project / "photo.png").write_bytes(photo())
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "count",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": ["trees = 23\n", "print(trees)"],
    }
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (project / "harvest.ipynb").write_text(json.dumps(book), encoding="utf-8")
    greeting = {"type": "command", "command": "test ! -e greeting || cat greeting"}
    hooks = {
        "hooks": {"SessionStart": [{"hooks": [greeting]}]},
        "permissions": {"allow": ["mcp__orchard"]},
    }
    (project / ".claude").mkdir()
    (project / ".claude" / "settings.json").write_text(json.dumps(hooks), encoding="utf-8")
    servers = {
        name: {"command": sys.executable, "args": ["-S", str(ROOT / "tests/support/cli" / file)]}
        for name, file in {"weather": "mcp_server.py", "orchard": "asking_server.py"}.items()
    }
    trust = {str(project): {"hasTrustDialogAccepted": True}}
    config = {"mcpServers": servers, "projects": trust}
    (sandbox.config_dir / ".claude.json").write_text(json.dumps(config), encoding="utf-8")
    past = sandbox.config_dir / "projects" / project_id(project) / f"{PAST}.jsonl"
    past.parent.mkdir(parents=True)
    past.write_text("".join(f"{json.dumps(each)}\n" for each in past_lines(project)))


PAST = "5e5510a0-0000-4000-8000-000000000001"
