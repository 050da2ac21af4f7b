"""One address for each session: what a request names differently is put right before it is served.

In the address of a session a project may be named by either of its ids, and a session in upper or
lower case. Drafts, runs and options are kept under the id as Claude's file is named.
"""

from __future__ import annotations

import contextlib

from flask import Blueprint, request

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.sessions.session_places import SessionLocations

OF_A_SESSION = {"project_id", "session_id"}


def blueprint(places: SessionLocations) -> Blueprint:
    """Works on the requests of every feature. It runs after the login, because it reads files."""
    pages = Blueprint("canonical", __name__)

    @pages.before_app_request
    def canonical() -> None:
        named = request.view_args or {}
        if named.keys() >= OF_A_SESSION:
            # or the page says that there is no such session
            with contextlib.suppress(sessions.ProjectNotFound, sessions.SessionNotFound):
                place = places.at(named["project_id"], named["session_id"])
                named.update(project_id=place.claude_folder, session_id=place.session_id)

    return pages
