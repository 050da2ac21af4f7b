"""Prompts that are sent as forms, and what their runs received."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

from tests.support.server import Server


def form(server: Server, steps: object, **fields: str) -> dict[str, str]:
    return {
        "folder": str(server.sandbox.project),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
        "prompt": steps if isinstance(steps, str) else json.dumps(steps),
        **fields,
    }


def begin(server: Server, prompt: object) -> str:
    response = server.post("/sessions", form(server, prompt))
    assert response.status_code == 303, response.text
    return response.headers["Location"].removesuffix("#end")


def run_folder(server: Server, path: str) -> Path:
    session_id = path.rsplit("/", 1)[1]
    records = (server.sandbox.state / "runs").glob("*/run.json")
    return next(
        record.parent
        for record in records
        if json.loads(record.read_text())["session_id"] == session_id
    )


def sent(folder: Path) -> list[str]:
    lines = [json.loads(line) for line in (folder / "in.ndjson").read_text().splitlines()]
    return [line["message"]["content"] for line in lines if line["type"] == "user"]


def draft_of(server: Server, path: str) -> str:
    file = server.sandbox.state / "drafts" / path.rsplit("/", 1)[1] / "draft.json"
    return str(json.loads(file.read_text())["text"]) if file.exists() else ""


def fields_of_page(server: Server, path: str, **typed: str) -> dict[str, str]:
    """What a page without a script sends with each of its buttons."""
    page = server.get(path).text
    names = ("session_id", "seen", "prompt_id")
    found = {name: re.search(rf'name="{name}" value="([^"]*)"', page) for name in names}
    return {name: match[1] for name, match in found.items() if match} | typed
