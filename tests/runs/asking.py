"""A model that asks: for commands, files, plans and choices."""

from __future__ import annotations

import json
import re
from pathlib import Path

from opcode_htmx.engines.claude.demo.messages_api import Request, Scene, Text, ToolUse

PLAN = "# The plan\n\n1. Write `new.txt`\n"
QUESTIONS = [
    {
        "question": "Which fruits?",
        "header": "Fruits",
        "multiSelect": True,
        "options": [
            {"label": "Apples", "description": "Red"},
            {"label": "Pears", "description": "Green"},
        ],
    },
    {
        "question": "How many?",
        "header": "Number",
        "multiSelect": False,
        "options": [{"label": "One", "description": ""}, {"label": "Two", "description": ""}],
    },
]


def last_result(request: Request) -> Text:
    result = request.last_tool_result
    return Text(f"It said: {result.text if result else 'nothing'}")


def write_plan(request: Request) -> ToolUse:
    """Claude names the file that it wants the plan in."""
    (place, *_) = re.findall(r"[^\s\"'`\\]+/plans/[\w-]+\.md", json.dumps(request.body))
    return ToolUse("Write", {"file_path": place, "content": PLAN})


def scenes(project: Path) -> tuple[Scene, ...]:
    new = ToolUse("Write", {"file_path": str(project / "new.txt"), "content": "new\n"})
    other = ToolUse("Write", {"file_path": str(project / "other.txt"), "content": "other\n"})
    read = ToolUse("Read", {"file_path": "/etc/hostname"})
    return (
        Scene("npm", "npm", [ToolUse("Bash", {"command": "npm test"}), Text("Tested.")]),
        Scene("read", "read", [read, read, last_result]),
        Scene("write", "write", [new, other, Text("Written.")]),
        Scene(
            "plan",
            "plan",
            [write_plan, ToolUse("ExitPlanMode", {}), new, last_result],
        ),
        Scene("ask", "ask", [ToolUse("AskUserQuestion", {"questions": QUESTIONS}), last_result]),
        Scene("anything", "", [Text("Yes.")]),
    )
