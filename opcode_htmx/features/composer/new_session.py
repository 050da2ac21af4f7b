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

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.features.composer import attachments
from opcode_htmx.features.composer.chosen_folder import ChosenFolder, folder_name_for
from opcode_htmx.features.composer.completion import completions, known_commands
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.surrogates import encoded
from opcode_htmx.lib.tree.search import ProjectFiles
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.policies import working_folders
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.storage.drafts import (
    MAX_FILE,
    Draft,
    DraftChanged,
    Drafts,
    DraftTooLarge,
    draft_name,
)
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.http.forms import by_htmx, new_session_address, typed
from opcode_htmx.web.http.request_body import accepts_up_to
from opcode_htmx.web.origin.fetch_metadata import acts
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
REVISION = "X-Draft-Revision"
"""The header of an answer with the revision of the draft."""
CAPABILITY_SECONDS = 15.0
"""How long a request of the page, already shown, waits for Claude's capabilities."""


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


def _kept_in_address(form: Mapping[str, str]) -> str:
    """The query of the page with what `form` had; a long folder is left to the draft."""
    fields = carried(form)
    if len(quote(fields.get("folder", ""))) >= LONGEST_IN_ADDRESS:
        del fields["folder"]
    return urlencode(fields)


def back_of(project_id: str) -> str:
    """The address of the page above the one for a new session."""
    return url_for("projects.project", project_id=project_id) if project_id else start_page()


def blueprint(
    page: NewSessionPage,
    workspace: Workspace,
    drafts: Drafts,
    capabilities: CapabilityCache,
    presenter: OptionsPresenter,
    files: ProjectFiles,
) -> Blueprint:
    pages = Blueprint("new_session", __name__)

    @pages.get("/projects/<project_id>/new")
    def new_in_project(project_id: str) -> str:
        _check(project_id)
        return page.page(project_id, carried(request.args))

    @pages.get("/new")
    def new() -> str:
        return page.page("", carried(request.args), session=request.args.get("session", ""))

    @pages.post("/projects/<project_id>/new/draft")
    @pages.post("/new/draft", defaults={"project_id": ""})
    @accepts_up_to(attachments.MAX_REQUEST)
    def draft(project_id: str) -> BaseResponse:
        """Save the text typed so far, and the folder it is for; `open` leads to the form.

        `seen` is the revision of the draft that the page has shown: a text that another page has
        saved since stays. A script gets it with 409; with `open`, both are in the form.
        """
        _check(project_id)
        form, words = request.form, typed(request.form.get("prompt", ""))
        name, folder = draft_name(project_id), page.kept_folder(form.get("folder", ""))
        form_id, seen = form.get("prompt_id", ""), form.get("seen")
        if "open" in form:
            try:
                if words:  # an empty field may be older than the draft
                    drafts.save_beside(name, words, form=form_id, folder=folder, seen=seen)
            except DraftTooLarge as error:
                return make_response(page.page(project_id, form, str(error)), 413)
            return redirect(new_session_address(project_id), 303)
        by = form.get("by", "")[:40]
        try:
            drafts.save_text(name, words, form=form_id, by=by, folder=folder, seen=seen)
        except DraftChanged as changed:
            response = Response(encoded(changed.draft.text), 409, mimetype="text/plain")
        else:
            response = Response(status=204)
        response.headers[REVISION] = drafts.get(name).revision
        return response

    @pages.post("/projects/<project_id>/new/folder")
    @pages.post("/new/folder", defaults={"project_id": ""})
    @accepts_up_to(attachments.MAX_REQUEST)
    def choose_folder(project_id: str) -> BaseResponse:
        """Save what the form holds, and show the folder picker, which leads back here."""
        _check(project_id)
        form, words = request.form, typed(request.form.get("prompt", ""))
        folder = form.get("folder", "")[:FOLDER_CHARACTERS]
        try:
            drafts.save_text(
                draft_name(project_id),
                words,
                form=form.get("prompt_id", ""),
                by=form.get("by", "")[:40],
                folder=page.kept_folder(folder),
            )
            attachments.keep(drafts, draft_name(project_id), request.files.getlist("files"))
        except (DiskFull, *attachments.REFUSALS) as error:
            sentence, status = attachments.refusal(error)
            status = 507 if isinstance(error, DiskFull) else status
            return make_response(page.page(project_id, form, sentence), status)
        left_out = {"folder": folder, "back": back_of(project_id)}
        kept = urlencode([each for each in carried(form).items() if each not in left_out.items()])
        picker = {
            "next": f"{new_session_address(project_id)}{'?' if kept else ''}{kept}",
            "chosen": folder if len(quote(folder)) < LONGEST_IN_ADDRESS else "",
            "name": folder_name_for(words),
        }
        query = urlencode([each for each in picker.items() if each[1]])
        return redirect(f"{url_for('folders.browse')}?{query}", 303)

    @pages.post("/projects/<project_id>/new/attachments")
    @pages.post("/new/attachments", defaults={"project_id": ""})
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

    @pages.get("/projects/<project_id>/new/attachments/<token>")
    @pages.get("/new/attachments/<token>", defaults={"project_id": ""})
    def attached(project_id: str, token: str) -> Response:
        _check(project_id)
        return attachments.preview(drafts, draft_name(project_id), token)

    @pages.post("/projects/<project_id>/new/attachments/<token>/remove")
    @pages.post("/new/attachments/<token>/remove", defaults={"project_id": ""})
    def detach(project_id: str, token: str) -> BaseResponse | str:
        _check(project_id)
        attachments.remove(drafts, draft_name(project_id), token)
        if by_htmx() or "prompt" not in request.form:
            return _changed(project_id)
        form, words = request.form, typed(request.form["prompt"])
        folder = page.kept_folder(form.get("folder", "")[:FOLDER_CHARACTERS])
        try:
            drafts.save_text(
                draft_name(project_id), words, form=form.get("prompt_id", ""), folder=folder
            )
        except (DiskFull, DraftTooLarge) as error:
            return make_response(page.page(project_id, form, str(error)), 413)
        return redirect(f"{new_session_address(project_id)}?{_kept_in_address(form)}", 303)

    @pages.get("/projects/<project_id>/new/complete")
    @pages.get("/new/complete", defaults={"project_id": ""})
    @acts(by="pages")
    def complete(project_id: str) -> str:
        """Empty until the form has a folder in which Claude may work."""
        _check(project_id)
        folder = page.usable_folder(request.args.get("folder", ""))
        if folder is None:
            return ""
        return completions(
            files, folder, lambda: known_commands([], folder, workspace.config_dir, capabilities)
        )

    @pages.get("/new/options")
    @acts(by="pages")
    def options() -> str | tuple[str, int]:
        """The options once Claude has listed its models, with the choices made before."""
        capabilities.want()
        if not capabilities.wait(CAPABILITY_SECONDS):
            return "", 204
        view = presenter.view(str(uuid.uuid4()))
        return render_template(
            "composer/new_options.html", options=view, filled=request.args, asked=True
        )

    def _check(project_id: str) -> None:
        if project_id:
            sessions.projects_of(workspace.config_dir, project_id)  # or it is 404

    def _changed(project_id: str, sentence: str = "") -> BaseResponse | str:
        address = new_session_address(project_id)
        if not by_htmx():
            return redirect(address, 303)
        kept = drafts.get(draft_name(project_id))
        return render_template(
            "composer/draft_changed.html",
            draft=kept,
            address=address,
            sentence=sentence,
            form="composer",
        )

    return pages
