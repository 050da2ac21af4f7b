"""One address for each session: other spellings in a request are replaced before it is handled.

The address of a session may contain either id of its project, and the session's id in upper or
lower case. Drafts, runs and options are stored under the id in the name of Claude's file.
"""

from __future__ import annotations

import contextlib

from flask import Blueprint, request

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.sessions.locations import SessionLocations

SESSION_ARGUMENTS = {"project_id", "session_id"}


def blueprint(locations: SessionLocations) -> Blueprint:
    """Handles the requests of every feature. Runs after the login, because it reads files."""
    pages = Blueprint("canonical", __name__)

    @pages.before_app_request
    def canonical() -> None:
        arguments = request.view_args or {}
        if arguments.keys() >= SESSION_ARGUMENTS:
            # else the page reports that there is no such session
            with contextlib.suppress(sessions.ProjectNotFound, sessions.SessionNotFound):
                location = locations.at(arguments["project_id"], arguments["session_id"])
                arguments.update(project_id=location.claude_folder, session_id=location.session_id)

    return pages
