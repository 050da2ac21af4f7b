"""The decision of a program about trust in a project's files."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.api.schema.requests import TrustChoice
from opcode_htmx.runs.supervisor import Supervisor


def decide(supervisor: Supervisor, choice: TrustChoice, session_id: str, folder: Path) -> None:
    """Carry out what a client has decided, before its prompt is sent. Raises TrustNotRecorded."""
    if choice.trust:
        supervisor.trust(session_id, folder)
    elif choice.untrusted:
        supervisor.work_without_project_settings(session_id)
