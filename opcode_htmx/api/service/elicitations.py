"""What MCP servers ask the person, for programs: list what is open in a session, answer it."""

from __future__ import annotations

from typing import Any

from opcode_htmx.engines.messages import ElicitationRequest
from opcode_htmx.runs.control.run import Run


def elicitation_fields(request: ElicitationRequest) -> dict[str, Any]:
    """A request as programs get it; `other` has what is not known here."""
    return {
        "request_id": request.request_id,
        "server_name": request.server,
        "message": request.message,
        "mode": request.mode,
        "url": request.url or None,
        "requested_schema": request.schema or None,
        "property_order": list(request.property_order),
        "title": request.title,
        "display_name": request.label,
        "description": request.description,
        "other": request.other,
    }


def open_elicitations(run: Run) -> list[ElicitationRequest]:
    """What MCP servers ask in a run now, oldest first."""
    run.fold_new_lines()
    return [each for each in run.state.asks.values() if isinstance(each, ElicitationRequest)]
