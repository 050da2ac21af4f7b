"""The routes of the page for a new session, of its draft, and of the way to the picker."""

from __future__ import annotations

import uuid
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.composer import attachments, new_session_files
from opcode_htmx.features.composer.chosen_folder import folder_name_for
from opcode_htmx.features.composer.completion import completions, known_commands
from opcode_htmx.features.composer.new_session import (
    FOLDER_CHARACTERS,
    LONGEST_IN_ADDRESS,
    NewSessionPage,
    back_of,
    carried,
)
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.surrogates import encoded
from opcode_htmx.lib.tree.search import ProjectFiles
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.storage.drafts import (
    DraftChanged,
    Drafts,
    DraftTooLarge,
    draft_name,
)
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.http.forms import new_session_address, typed
from opcode_htmx.web.http.request_body import accepts_up_to
from opcode_htmx.web.origin.fetch_metadata import acts

REVISION = "X-Draft-Revision"
"""The header of an answer with the revision of the draft."""
CAPABILITY_SECONDS = 15.0
"""How long a request of the page, already shown, waits for Claude's capabilities."""


def blueprint(
    page: NewSessionPage,
    workspace: Workspace,
    drafts: Drafts,
    capabilities: CapabilityCache,
    presenter: OptionsPresenter,
    files: ProjectFiles,
) -> Blueprint:
    pages = Blueprint("new_session", __name__)
    new_session_files.add_to(pages, page, drafts)

    @pages.get("/projects/<project_id>/new")
    def new_in_project(project_id: str) -> str:
        page.check(project_id)
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
        page.check(project_id)
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
        page.check(project_id)
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

    @pages.get("/projects/<project_id>/new/complete")
    @pages.get("/new/complete", defaults={"project_id": ""})
    @acts(by="pages")
    def complete(project_id: str) -> str:
        """Empty until the form has a folder in which Claude may work."""
        page.check(project_id)
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

    return pages
