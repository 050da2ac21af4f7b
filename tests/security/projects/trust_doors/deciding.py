"""A first prompt in a hostile project, and the decision about it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from opcode_htmx.engines.claude.files.folder_names import claude_folder
from tests.security.projects.hostile_project import HostileProject
from tests.support.cli.sessions import OpenSession
from tests.support.server import Server

SENTENCE = "nobody has trusted them yet"
HOOK_RUNS = {"hook-SessionStart", "hook-UserPromptSubmit"}


def is_trusted(server: Server, folder: Path) -> bool:
    path = server.sandbox.config_dir / ".claude.json"
    content = json.loads(path.read_bytes()) if path.exists() else {}
    return bool(content.get("projects", {}).get(str(folder), {}).get("hasTrustDialogAccepted"))


def keep_hooks_only(hostile: HostileProject) -> None:
    """Let Claude talk to the API of the tests, and not wait for a server."""
    path = hostile.folder / ".claude" / "settings.json"
    path.write_text(json.dumps({"hooks": json.loads(path.read_bytes())["hooks"]}))
    (hostile.folder / ".mcp.json").unlink()


def old_session(server: Server, folder: Path) -> OpenSession:
    """A terminal session without a prompt from here."""
    session_id = str(uuid.uuid4())
    message = {"role": "user", "content": "hello"}
    entry = {"type": "user", "uuid": str(uuid.uuid4()), "message": message}
    line = {**entry, "cwd": str(folder), "sessionId": session_id}
    place = server.sandbox.config_dir / "projects" / claude_folder(folder)
    place.mkdir(parents=True)
    (place / f"{session_id}.jsonl").write_text(json.dumps(line) + "\n")
    return OpenSession(server, f"/projects/{place.name}/sessions/{session_id}")
