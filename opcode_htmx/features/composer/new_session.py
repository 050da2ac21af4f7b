"""The page on which a session begins: where, with which words and files, and how Claude works.

What is typed there is a draft of the page's own, because the session does not exist yet: one for
each project, and one for the page on which any folder can be named.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.composer import attachments
from opcode_htmx.features.composer.completion import completions, known_commands
from opcode_htmx.features.composer.project_files import ProjectFiles
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.policies import working_folders
from opcode_htmx.sessions.drafts import MAX_FILE, Drafts, draft_name
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.http.forms import by_htmx, new_session_address, typed
from opcode_htmx.web.http.request_body import accepts_up_to
from opcode_htmx.web.origin.fetch_metadata import acts

FOLDER_CHARACTERS = 4096
OFFER_SECONDS = 15.0
"""How long a page that asks what Claude offers waits for it; it has been sent long before."""


class NewSessionPage:
    """The pages for new sessions. `project_id` is empty on the one for any folder."""

    def __init__(
        self,
        place: Workspace,
        drafts: Drafts,
        offers: CapabilityCache,
        options: OptionsPresenter,
    ) -> None:
        self._options = options
        self._place = place
        self._drafts = drafts
        self._offers = offers

    def folder(self, text: str) -> Path:
        """The folder that a person typed. Raises InvalidFolder."""
        return self._place.working_folder(text)

    def page(self, project_id: str, filled_in: Mapping[str, str], error: str = "") -> str:
        """The form, with what a person has filled in and what is wrong with it."""
        draft = self._drafts.get(draft_name(project_id))
        meant = draft.folder if draft.text or draft.files else ""
        folder = filled_in.get("folder") or meant or self._usual_folder(project_id)
        self._offers.want()
        back = url_for("projects.project", project_id=project_id) if project_id else "/"
        known = sessions.projects(self._place.config_dir)
        session_id = uuid.uuid4()
        return render_template(
            "composer/new.html",
            address=new_session_address(project_id),
            project_id=project_id,
            folder=folder,
            prompt=filled_in.get("prompt", draft.text),
            draft=draft,
            filled=filled_in,
            error=error,
            back_url=local_path(filled_in.get("back")) if "back" in filled_in else back,
            session_id=session_id,
            options=self._options.view(str(session_id)),
            prompt_id=uuid.uuid4(),
            known=list(dict.fromkeys(project.path for project in known if project.path)),
            suggestions=self._place.suggestions,
            most_per_file=MAX_FILE,
            asked=self._offers.asks,
        )

    def usable_folder(self, text: str) -> Path | None:
        """The folder that a person typed, if Claude may work there."""
        try:
            return self.folder(text[:FOLDER_CHARACTERS])
        except working_folders.InvalidFolder:
            return None

    def _usual_folder(self, project_id: str) -> str:
        if project_id:
            there = sessions.projects_of(self._place.config_dir, project_id)
            return (there[0].path or "") if len(there) == 1 else ""
        return str(self._place.sample_project or next(iter(self._place.project_roots), ""))


def blueprint(
    beginnings: NewSessionPage,
    place: Workspace,
    drafts: Drafts,
    offers: CapabilityCache,
    chooser: OptionsPresenter,
    files: ProjectFiles,
) -> Blueprint:
    beginning = Blueprint("new_session", __name__)

    @beginning.get("/projects/<project_id>/new")
    def new_in_project(project_id: str) -> str:
        _check(project_id)
        return beginnings.page(project_id, {"folder": request.args.get("folder", "")})

    @beginning.get("/new")
    def new() -> str:
        return beginnings.page("", {"folder": request.args.get("folder", "")})

    @beginning.post("/projects/<project_id>/new/draft")
    @beginning.post("/new/draft", defaults={"project_id": ""})
    def draft(project_id: str) -> tuple[str, int]:
        """Keep what has been typed so far, and where it is meant for."""
        _check(project_id)
        form, words = request.form, typed(request.form.get("prompt", ""))
        drafts.save_text(
            draft_name(project_id),
            words,
            form=form.get("prompt_id", ""),
            by=form.get("by", "")[:40],
            folder=form.get("folder", "")[:FOLDER_CHARACTERS],
        )
        return "", 204

    @beginning.post("/projects/<project_id>/new/attachments")
    @beginning.post("/new/attachments", defaults={"project_id": ""})
    @accepts_up_to(attachments.MAX_REQUEST)
    def attach(project_id: str) -> BaseResponse | str:
        _check(project_id)
        try:
            attachments.keep(drafts, draft_name(project_id), request.files.getlist("files"))
        except attachments.REFUSALS as error:
            if not by_htmx():
                raise
            sentence, status = attachments.refusal(error)
            return make_response(_changed(project_id, sentence), status)
        return _changed(project_id)

    @beginning.get("/projects/<project_id>/new/attachments/<token>")
    @beginning.get("/new/attachments/<token>", defaults={"project_id": ""})
    def attached(project_id: str, token: str) -> Response:
        _check(project_id)
        return attachments.preview(drafts, draft_name(project_id), token)

    @beginning.post("/projects/<project_id>/new/attachments/<token>/remove")
    @beginning.post("/new/attachments/<token>/remove", defaults={"project_id": ""})
    def detach(project_id: str, token: str) -> BaseResponse | str:
        _check(project_id)
        attachments.remove(drafts, draft_name(project_id), token)
        return _changed(project_id)

    @beginning.get("/projects/<project_id>/new/complete")
    @beginning.get("/new/complete", defaults={"project_id": ""})
    @acts(by="pages")
    def complete(project_id: str) -> str:
        """Nothing, as long as no folder is named in which Claude may work."""
        _check(project_id)
        folder = beginnings.usable_folder(request.args.get("folder", ""))
        if folder is None:
            return ""
        return completions(
            files, folder, lambda: known_commands([], folder, place.config_dir, offers)
        )

    @beginning.get("/new/options")
    @acts(by="pages")
    def options() -> str | tuple[str, int]:
        """The options once Claude has named its models, with what a person has chosen before."""
        offers.want()
        if not offers.wait(OFFER_SECONDS):
            return "", 204
        view = chooser.view(str(uuid.uuid4()))
        return render_template(
            "composer/new_options.html", options=view, filled=request.args, asked=True
        )

    def _check(project_id: str) -> None:
        if project_id:
            sessions.projects_of(place.config_dir, project_id)  # or it is 404

    def _changed(project_id: str, sentence: str = "") -> BaseResponse | str:
        address = new_session_address(project_id)
        if not by_htmx():
            return redirect(address, 303)
        kept = drafts.get(draft_name(project_id))
        return render_template(
            "composer/draft_changed.html", draft=kept, address=address, sentence=sentence
        )

    return beginning
