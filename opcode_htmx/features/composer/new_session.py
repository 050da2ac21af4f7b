"""The page for a new session: its first prompt, files, folder and options.

The folder is chosen on another page, the picker, which leads back here with it in the address. The
page has a draft of its own, because the session does not exist yet: one for each project, and
one for the page on which any folder can be entered.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from flask import render_template, url_for

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.features.composer.chosen_folder import ChosenFolder
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.policies import working_folders
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.storage.drafts import (
    MAX_FILE,
    Draft,
    Drafts,
    draft_name,
)
from opcode_htmx.sessions.submit import NO_PROMPT
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.http.forms import new_session_address
from opcode_htmx.web.server.base_path import start_page

FOLDER_CHARACTERS = 12_288
"""Of a path, with its bytes escaped."""
OPTIONS = ("model", "effort", "permission_mode", "keep_running")
COPY = ("copy", "copy_base", "copy_branch")
"""The fields of a session in a copy of its project."""
CAREFUL_MODES = ("", "default", "plan")
"""The modes that an address may choose: a link from elsewhere must not make Claude ask less."""
MOST_TRIED = 20
"""Projects that are looked at for one that is still there."""
LONGEST_IN_ADDRESS = 1000
"""Bytes of a path that is handed to the picker, escaped; the draft has it in any case."""


class NewSessionPage:
    """The pages for new sessions. `project_id` is empty on the one for any folder."""

    def __init__(
        self,
        workspace: Workspace,
        drafts: Drafts,
        capabilities: CapabilityCache,
        options: OptionsPresenter,
    ) -> None:
        self._options = options
        self._workspace = workspace
        self._drafts = drafts
        self._capabilities = capabilities

    def check(self, project_id: str) -> None:
        """Raises ProjectNotFound for the id of a project that there is not."""
        if project_id:
            sessions.projects_of(self._workspace.config_dir, project_id)

    def folder(self, text: str, *, make: bool = False) -> Path:
        """The folder of a form; `make`: it is made if it is missing. Raises InvalidFolder."""
        if not text.strip():
            raise working_folders.InvalidFolder("Choose a folder for Claude to work in.")
        try:
            return self._workspace.working_folder(text)
        except working_folders.FolderMissing:
            if not make:
                raise
        folder = self._workspace.folders.make(text)
        log_act(current_identity(), "folder.make", folder=reference(folder))
        return folder

    def page(
        self,
        project_id: str,
        filled_in: Mapping[str, str],
        error: str = "",
        session: str = "",
    ) -> str:
        """The form, with the values that a person has filled in and an error about them.

        `session` is the id that the session is to have, if there is none of it yet: a folder may
        have been made for it.
        """
        draft = self._drafts.get(draft_name(project_id))
        self._capabilities.want()
        address = new_session_address(project_id)
        session_id = self._unused_id(session) or str(uuid.uuid4())
        chosen = self._chosen(project_id, filled_in, draft)
        return render_template(
            "composer/new.html",
            address=address,
            choose_folder=f"{address}/folder",
            project_id=project_id,
            folder=chosen,
            prompt=filled_in.get("prompt", draft.text),
            draft=draft,
            filled=filled_in,
            has_choices=bool(changed_options(filled_in)),
            offers_copy=chosen.is_in_repository or "copy" in filled_in,
            error=error,
            no_prompt=NO_PROMPT,
            back_url=local_path(filled_in["back"]) if "back" in filled_in else back_of(project_id),
            session_id=session_id,
            options=self._options.view(session_id),
            prompt_id=uuid.uuid4(),
            suggestions=self._workspace.suggestions,
            most_per_file=MAX_FILE,
            asked=self._capabilities.asks,
        )

    def _unused_id(self, session: str) -> str:
        known = SESSION_ID.fullmatch(session) is None or sessions.find_in_any_case(
            self._workspace.config_dir, session
        )
        return "" if known else session.lower()

    def usable_folder(self, text: str) -> Path | None:
        """The folder of a form, if Claude may work there."""
        try:
            return self.folder(text[:FOLDER_CHARACTERS])
        except working_folders.InvalidFolder:
            return None

    def kept_folder(self, text: str) -> str:
        """What of a form's folder is kept with the draft: nothing of one that is refused."""
        return text if self.usable_folder(text) else ""

    def _chosen(self, project_id: str, filled_in: Mapping[str, str], draft: Draft) -> ChosenFolder:
        """The folder in the address or form, else that of the draft, else the usual one."""
        if "folder" in filled_in:
            return ChosenFolder.of(filled_in["folder"][:FOLDER_CHARACTERS], self._workspace)
        if draft.folder and (draft.text or draft.files):
            chosen = ChosenFolder.of(draft.folder, self._workspace)
            if not chosen.refusal:
                return chosen
        return ChosenFolder.of(self._usual_folder(project_id), self._workspace)

    def _usual_folder(self, project_id: str) -> str:
        """The project's folder; on the page for any folder the one that was worked in last."""
        if project_id:
            projects = sessions.projects_of(self._workspace.config_dir, project_id)
            return path_reference(projects[0].path) if len(projects) == 1 else ""
        if self._workspace.sample_project:
            return reference(self._workspace.sample_project)
        for project in sessions.outline(self._workspace.config_dir)[:MOST_TRIED]:
            if self.usable_folder(folder := path_reference(project.path)):
                return folder
        return reference(next(iter(self._workspace.project_roots)))


def path_reference(path: str | None) -> str:
    """The text of a form for a path from Claude's files; empty if it is unknown."""
    return reference(Path(path)) if path else ""


def changed_options(form: Mapping[str, str]) -> dict[str, str]:
    """The fields of the options that a person has changed, with the values from before."""
    changed: dict[str, str] = {}
    for name in OPTIONS:
        now, was = form.get(name, ""), form.get(f"was_{name}", "")
        if now != was:
            changed |= {name: now, f"was_{name}": was}
    return changed


def carried(form: Mapping[str, str]) -> dict[str, str]:
    """What goes to the picker and back in the address: neither the prompt nor a bold mode."""
    found = changed_options(form)
    if found.get("permission_mode", "") not in CAREFUL_MODES:
        del found["permission_mode"]
    kept = ("folder", "back", *COPY)
    return found | {name: form[name] for name in kept if form.get(name)}


def kept_in_address(form: Mapping[str, str]) -> str:
    """The query of the page with what `form` had; a long folder is left to the draft."""
    fields = carried(form)
    if len(quote(fields.get("folder", ""))) >= LONGEST_IN_ADDRESS:
        del fields["folder"]
    return urlencode(fields)


def back_of(project_id: str) -> str:
    """The address of the page above the one for a new session."""
    return url_for("projects.project", project_id=project_id) if project_id else start_page()
