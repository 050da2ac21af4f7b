"""The routes of the files that a new session is to begin with, which its draft keeps."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.composer import attachments
from opcode_htmx.features.composer.new_session import (
    FOLDER_CHARACTERS,
    NewSessionPage,
    kept_in_address,
)
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.sessions.storage.drafts import (
    Drafts,
    DraftTooLarge,
    draft_name,
)
from opcode_htmx.web.http.forms import by_htmx, new_session_address, typed
from opcode_htmx.web.http.request_body import accepts_up_to


def add_to(pages: Blueprint, page: NewSessionPage, drafts: Drafts) -> None:
    @pages.post("/projects/<project_id>/new/attachments")
    @pages.post("/new/attachments", defaults={"project_id": ""})
    @accepts_up_to(attachments.MAX_REQUEST)
    def attach(project_id: str) -> BaseResponse | str:
        page.check(project_id)
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
        page.check(project_id)
        return attachments.preview(drafts, draft_name(project_id), token)

    @pages.post("/projects/<project_id>/new/attachments/<token>/remove")
    @pages.post("/new/attachments/<token>/remove", defaults={"project_id": ""})
    def detach(project_id: str, token: str) -> BaseResponse | str:
        page.check(project_id)
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
        return redirect(f"{new_session_address(project_id)}?{kept_in_address(form)}", 303)

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
