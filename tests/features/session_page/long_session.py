"""A long session that was held in a terminal, for tests in a browser."""

from __future__ import annotations

import json

from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import Sandbox

SESSION = "5e5510a0-0000-4000-8000-000000000001"


def write(sandbox: Sandbox, prompts: int) -> str:
    """Write its history; block `b-prompt-<number>` is a prompt. Return the path of its page."""
    name = project_id(sandbox.project)
    file = sandbox.config_dir / "projects" / name / f"{SESSION}.jsonl"
    file.parent.mkdir(parents=True)
    entries = [
        {
            "type": "user",
            "uuid": f"prompt-{number}",
            "cwd": str(sandbox.project),
            "message": {"role": "user", "content": f"Prompt {number}. " + "More words. " * 30},
        }
        for number in range(prompts)
    ]
    file.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return f"/projects/{name}/sessions/{SESSION}"
