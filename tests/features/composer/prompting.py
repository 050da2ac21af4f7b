"""Prompts that are sent as forms, and what their runs received."""

from __future__ import annotations

import json
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
