"""The form of a race: shown, and read."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from flask import render_template, request

from opcode_htmx.features.races.records import MOST_CONTESTANTS
from opcode_htmx.features.races.runner import KEYS, Entry, Wanted
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.options.choices import choices
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.http.forms import BadForm, typed

LONGEST_FOLDER = 12_288
"""Characters of a folder in a form."""
MOST_PROJECTS = 50
"""Projects to choose from."""


class RaceForm:
    """Renders and reads the form in the current request."""

    def __init__(self, workspace: Workspace, options: OptionsPresenter) -> None:
        self._workspace = workspace
        self._options = options

    def wanted(self) -> Wanted:
        """What was sent. Raises BadForm, InvalidFolder, BypassNotAllowed."""
        form = request.form
        prompt = typed(form.get("prompt", "")).strip()
        if len(prompt) > MAX_PROMPT_CHARACTERS:
            raise BadForm(f"The prompt is longer than {MAX_PROMPT_CHARACTERS:,} characters.")
        entries = [
            Entry(
                self._model(form.get(f"model-{key}", "")),
                typed(form.get(f"words-{key}", "")).strip(),
            )
            for key in KEYS
            if f"take-{key}" in form
        ]
        race_id = form.get("race_id", "")
        try:
            race_id = uuid.UUID(race_id).hex if race_id else ""
        except ValueError:
            raise BadForm("This form is incomplete: reload the page and try again.") from None
        mode = choices({"permission_mode": form.get("permission_mode", "")}, self._options.choosing)
        return Wanted(
            self._workspace.working_folder(form.get("folder", "")[:LONGEST_FOLDER]),
            prompt,
            entries,
            form.get("base", "").strip(),
            str(mode.get("permission_mode") or ""),
            race_id,
        )

    def _model(self, value: str) -> str:
        return str(choices({"model": value}, self._options.choosing).get("model") or "")

    def page(self, fields: Mapping[str, Any], error: str = "", *, needed: bool = False) -> str:
        """The form; `needed`: the project has to be trusted first."""
        view = self._options.view(str(uuid.uuid4()))
        lists = {each.name: each.choices for each in view.fields}
        projects = project_choices(self._workspace, MOST_PROJECTS)
        folder = fields.get("folder") or (projects[0].reference if projects else "")
        if not folder:
            folder = reference(next(iter(self._workspace.project_roots)))
        return render_template(
            "races/new.html",
            fields=fields,
            folder=folder,
            projects=projects,
            keys=KEYS[:MOST_CONTESTANTS],
            taken=[key for key in KEYS if f"take-{key}" in fields] or list(KEYS[:2]),
            models=lists.get("model", ()),
            modes=lists.get("permission_mode", ()),
            race_id=fields.get("race_id") or uuid.uuid4().hex,
            longest_prompt=MAX_PROMPT_CHARACTERS,
            error=error,
            needed=needed,
        )
