"""Find the session that an address of its checkpoints names, and lead back to them."""

from __future__ import annotations

from pathlib import Path

from flask import redirect, url_for
from werkzeug.wrappers import Response

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.lookup import SessionLookup


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """For the routes of checkpoints."""

    lookup: SessionLookup

    def located(self, project_id: str, session_id: str) -> tuple[str, Path | None]:
        """The id of a session as its file spells it, and its folder if that is known."""
        location = self.lookup.at(project_id, session_id)
        return location.session_id, Path(location.folder) if location.folder else None

    def to_page(self, project_id: str, session_id: str, anchor: str | None = None) -> Response:
        """A redirect to the timeline."""
        address = url_for(".page", project_id=project_id, session_id=session_id, _anchor=anchor)
        return redirect(address, 303)
