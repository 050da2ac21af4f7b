"""Trust in a project's files, for programs: their decision, and the list in a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opcode_htmx.api.schema.requests import TrustChoice
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.supervisor import Supervisor


def decide(supervisor: Supervisor, choice: TrustChoice, session_id: str, folder: Path) -> None:
    """Carry out what a client has decided, before its prompt is sent. Raises TrustNotRecorded."""
    if choice.trust:
        supervisor.trust(session_id, folder)
    elif choice.untrusted:
        supervisor.work_without_project_settings(session_id)


def details(error: Exception) -> dict[str, Any]:
    """What stands beside the sentence of an error: under `trust`, the list to decide about."""
    return {"trust": error.described()} if isinstance(error, TrustNeeded) else {}
