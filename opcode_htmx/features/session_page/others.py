"""The other sessions of a project, which a wide screen shows beside a session."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, render_template

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.session_flags import NO_FLAGS, SessionFlags

MOST = 60
"""Sessions in the list: those used last. All of them are on the project's page."""


def blueprint(
    config_dir: Path, lookup: SessionLookup, flags: SessionFlags, positions: ReadPositions
) -> Blueprint:
    pages = Blueprint("other_sessions", __name__)

    @pages.get("/projects/<project_id>/sessions/<session_id>/others")
    def others(project_id: str, session_id: str) -> str:
        """The list, which the page of the session asks for where it has space."""
        listed = lookup.locations.project_id(lookup.at(project_id, session_id))
        every = positions.newest_first(
            sessions.sessions(config_dir, listed) if listed else (),
            lambda each: each.last_activity,
        )
        known, past = flags.all(), positions.past()
        found = [
            each
            for each in every
            if not known.get(each.id, NO_FLAGS).of_use(each.last_activity, past).archived
        ]
        found.sort(key=lambda each: not known.get(each.id, NO_FLAGS).pinned)
        return render_template(
            "session_page/others.html",
            sessions=found[:MOST],
            more=len(found) > MOST,
            current=session_id,
            project_id=listed,
        )

    return pages
