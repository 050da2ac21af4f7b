"""Shared helpers of the API tests: Claude's files as its CLI writes them, and requests."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from opcode_htmx.engines.claude.files import history
from tests.support.server import Server

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def line(entry: object) -> str:
    return json.dumps(entry, separators=(",", ":")) + "\n"


def prompt(text: str, folder: Path | str, at: float = NOON) -> str:
    message = {"role": "user", "content": text}
    return line({"type": "user", "cwd": str(folder), "timestamp": stamp(at), "message": message})


def session(config_dir: Path, folder: Path | str, text: str, session_id: str = "") -> Path:
    """A session file of the project in `folder`."""
    name = f"{session_id or uuid.uuid4()}.jsonl"
    path = config_dir / "projects" / history.project_id(Path(folder)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def data(answer: requests.Response, *beside: str) -> Any:
    """The data of a successful response; `beside` are the names of the other fields."""
    found = answer.json()
    assert answer.status_code == 200, found
    assert answer.headers["Content-Type"] == "application/json"
    envelope = {name: value for name, value in found.items() if name not in beside}
    assert {**envelope, "data": 0} == {"success": True, "data": 0, "error": None}
    assert all(name in found for name in beside)
    return found["data"]


def error(answer: requests.Response, status: int) -> str:
    """The sentence of an answer that did not succeed."""
    found = answer.json()
    assert answer.status_code == status, found
    assert {**found, "error": 0} == {"success": False, "data": None, "error": 0}
    assert isinstance(found["error"], str)
    assert found["error"].endswith(".")
    return found["error"]


def get(server: Server, path: str) -> Any:
    return data(server.get(path))


def history_of(server: Server, session_id: str, project_id: str) -> Any:
    """The lines of a session, which is named by its id or that of a run."""
    return data(server.get(f"/api/sessions/{session_id}/history/{project_id}"), "taken_back")
