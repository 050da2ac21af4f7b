"""Where the comments of a review go: to Claude, or into the composer."""

from __future__ import annotations

from pathlib import Path

from flask import url_for

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.locations import SessionLocations
from opcode_htmx.sessions.storage.drafts import Drafts, draft_name
from opcode_htmx.sessions.submit import PromptSubmitter
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import session_url
from opcode_htmx.web.http.prompt_form import prompt_id_of


@dataclass(frozen=True, slots=True)
class Recipients:
    """The sessions and drafts that comments go to. Methods give the address of the page to show."""

    config_dir: Path
    locations: SessionLocations
    submitter: PromptSubmitter
    drafts: Drafts
    runs: Supervisor

    def submit(self, project_id: str, session_id: str, words: str) -> str:
        """Send words to a session. Raises as PromptSubmitter.submit does."""
        location = self.locations.at(project_id, session_id)
        prompt_id = prompt_id_of(words, ())
        self.submitter.submit(
            location.session_id, location.working_folder, prompt_id, words, by=current_identity()
        )
        self.runs.changes(location.session_id).notify()
        return session_url(project_id, location.session_id)

    def put_into_draft(self, project_id: str, session_id: str, folder: Path, words: str) -> str:
        """Put words behind those in the composer of a session; without one, of a new session."""
        name = session_id or draft_name(project_id)
        before = self.drafts.get(name).text.rstrip()
        text = f"{before}\n\n{words}" if before else words
        self.drafts.save_text(name, text, folder=None if session_id else reference(folder))
        if session_id:
            self.runs.changes(session_id).notify()
            return session_url(project_id, session_id)
        return url_for("new_session.new_in_project", project_id=project_id)
