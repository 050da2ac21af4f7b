"""Options that are chosen."""

from __future__ import annotations

import json
from typing import Any

from opcode_htmx.runs.options.service import SessionOptionsService
from tests.support.cli.supervision import Supervision
from tests.support.server import Server


def choosing(supervision: Supervision) -> SessionOptionsService:
    return supervision.supervisor.options


def kept(server: Server, path: str) -> dict[str, Any]:
    file = server.sandbox.state / "options" / f"{path.rsplit('/', 1)[1]}.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    found.pop("version", None)
    return found


def arguments(server: Server, path: str) -> list[str]:
    """The arguments that the newest run of this session was started with."""
    found: list[str] = newest_run(server, path)["argv"]
    return found


def newest_run(server: Server, path: str) -> dict[str, Any]:
    """The record of the newest run of this session."""
    session = path.rsplit("/", 1)[1]
    records = [
        json.loads(p.read_text()) for p in (server.sandbox.state / "runs").glob("*/run.json")
    ]
    of_session = [record for record in records if record["session_id"] == session]
    newest: dict[str, Any] = max(of_session, key=lambda record: record["created_at"])
    return newest
