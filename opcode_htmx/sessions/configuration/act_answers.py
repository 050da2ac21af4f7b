"""Acts in the answers of the API: what was begun, and what became of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from opcode_htmx.sessions.configuration.acts import Act
from opcode_htmx.web.rest.models import ResponseModel

BEGUN = (
    "It may take minutes: what has not ended within three seconds is asked for at "
    "/api/acts/{act_id}. What Claude itself refuses is the state “failed”."
)
"""For the description of an endpoint that begins one."""


class ClaudeAct(ResponseModel):
    """An act on Claude's configuration, which may go on beside the requests."""

    id: str
    title: str
    state: Literal["running", "done", "failed"]
    message: str = Field(description="A sentence on what became of it; empty while it runs.")


def described(act: Act) -> ClaudeAct:
    """An act as the API returns it."""
    if act.is_running:
        return ClaudeAct(id=act.id, title=act.title, state="running", message="")
    state: Literal["done", "failed"] = "done" if act.is_done else "failed"
    return ClaudeAct(id=act.id, title=act.title, state=state, message=act.outcome)
