"""/api: the dev servers of a session, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import BaseModel, Field

from opcode_htmx.features.preview.service import Previews
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.web.rest.endpoint import Endpoint


class DevServerModel(BaseModel):
    """A port that a process of the session's run listens on."""

    port: int = Field(description="Reached at 127.0.0.1 or [::1] of the computer.")
    pid: int
    command: str = Field(description="The command line of the process.")
    started_at: datetime
    run_id: str
    address: str = Field(description="Where its preview is shown, with a login, or empty.")


def endpoints(previews: Previews, lookup: SessionLookup) -> Iterable[Endpoint]:
    def servers(session_id: str) -> list[DevServerModel]:
        found = previews.of_session(lookup.locations.of(session_id).session_id)
        return [
            DevServerModel(
                port=each.server.port,
                pid=each.server.listener.key.pid,
                command=each.server.command,
                started_at=datetime.fromtimestamp(each.server.at, UTC),
                run_id=each.server.run_id,
                address=each.address and f"{each.address}/",
            )
            for each in found
        ]

    yield Endpoint(
        method="GET",
        path="/api/sessions/{session_id}/previews",
        tag="Previews",
        summary="The dev servers that a session has started",
        description="Only what processes of its live run listen on, on this computer or on all "
        "addresses. A preview is opened on the session's page.",
        handler=servers,
        response=list[DevServerModel],
        refusals={404: "There is no session with this id."},
    )
