"""The composer that a prompt is chosen for: that of a session, or of the page for a new one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flask import current_app
from werkzeug.exceptions import HTTPException

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.policies.working_folders import InvalidFolder, reference
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.drafts import Drafts, draft_name
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.http.forms import new_session_address, session_address
from opcode_htmx.web.server import url_rules
from opcode_htmx.web.server.base_path import inner_path

LONGEST_ADDRESS = 1000


@dataclass(frozen=True, slots=True)
class Composer:
    """`address` is the path of its page, and `draft` the name of its draft.

    `session_id` is empty for a new session. `folder` is None if Claude may not work in it, or if
    it is unknown.
    """

    address: str
    draft: str
    session_id: str = ""
    folder: Path | None = None

    @property
    def reference(self) -> str:
        """The folder as forms name it; empty without one."""
        return reference(self.folder) if self.folder else ""


class Composers:
    """Finds the composer that the fields `to` and `folder` of a form or an address name."""

    def __init__(self, workspace: Workspace, lookup: SessionLookup, drafts: Drafts) -> None:
        self._workspace = workspace
        self._lookup = lookup
        self._drafts = drafts

    def of(self, fields: Mapping[str, str]) -> Composer:
        """That of a new session if `to` is no page with a composer.

        Raises ProjectNotFound and SessionNotFound.
        """
        endpoint, values = _route(fields.get("to", "")[:LONGEST_ADDRESS])
        project_id = values.get("project_id", "")
        if endpoint == "session_page.session":
            location = self._lookup.at(project_id, values["session_id"])
            folder = Path(location.folder) if location.folder else None
            # made anew: the path `//host/…` leads to another host, and is matched nevertheless
            address = session_address(project_id, values["session_id"])
            return Composer(address, location.session_id, location.session_id, folder)
        if project_id:
            sessions.projects_of(self._workspace.config_dir, project_id)  # or it is 404
        draft = draft_name(project_id)
        folder = self._folder(fields.get("folder") or self._drafts.get(draft).folder)
        return Composer(new_session_address(project_id), draft, folder=folder)

    def _folder(self, text: str) -> Path | None:
        try:
            return self._workspace.working_folder(text) if text else None
        except InvalidFolder:
            return None


def _route(address: str) -> tuple[str, dict[str, str]]:
    """The endpoint and the values of the path of a page; empty if there is none of ours."""
    path = inner_path(address)
    if path is None:
        return "", {}
    try:
        endpoint, values = url_rules.route_at(current_app.url_map, path, "GET")
    except HTTPException:  # a redirect is one as well
        return "", {}
    known = ("session_page.session", "new_session.new", "new_session.new_in_project")
    return (endpoint, dict(values)) if endpoint in known else ("", {})
