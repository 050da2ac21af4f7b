"""A long session that was held in a terminal, for tests in a browser."""

from __future__ import annotations

import json
import uuid

from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import Sandbox


def write(sandbox: Sandbox, prompts: int) -> str:
    """Write its history; block `b-prompt-<number>` is a prompt. Return the path of its page."""
    name, session_id = project_id(sandbox.project), str(uuid.uuid4())
    file = sandbox.config_dir / "projects" / name / f"{session_id}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
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
    return f"/projects/{name}/sessions/{session_id}"
