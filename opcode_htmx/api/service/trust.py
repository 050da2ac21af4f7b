"""The decision of a program about trust in a project's files."""

from __future__ import annotations

from opcode_htmx.api.schema.requests import TrustChoice
from opcode_htmx.sessions.submit import TrustDecision


def decision(choice: TrustChoice) -> TrustDecision | None:
    """The decision in a request; None if it has none."""
    if choice.trust:
        return TrustDecision.TRUST
    return TrustDecision.LEAVE_OUT if choice.untrusted else None
