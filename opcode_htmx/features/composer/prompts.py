"""The forms that send prompts: the first of a new session, and further ones.

They work without JavaScript: a page gets a redirect, htmx the elements that change immediately,
and everything else arrives over the socket.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files.folder_names import claude_folder
from opcode_htmx.features.composer import attachments
from opcode_htmx.features.composer.deliveries import Deliveries, Options
from opcode_htmx.features.composer.new_session import FOLDER_CHARACTERS, NewSessionPage
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.model.permission_updates import BypassNotAllowed
from opcode_htmx.runs.policies import working_folders
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.options.choices import choices
from opcode_htmx.sessions.storage.drafts import DraftFile, Drafts, draft_name
from opcode_htmx.sessions.submit import PromptSubmitter, check_prompt
from opcode_htmx.sessions.worktrees.service import CannotCopy, SessionWorktrees, Wish
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, by_htmx, session_url
from opcode_htmx.web.http.prompt_form import new_session_id, words_of_form
from opcode_htmx.web.http.request_body import accepts_up_to

REFUSED = (
    working_folders.InvalidFolder,
    BypassNotAllowed,
    CannotCopy,
    CannotStart,
    DiskFull,
    *attachments.REFUSALS,
)
"""Refusals of a new session that are shown above its form."""


def blueprint(
    page: NewSessionPage,
    supervisor: Supervisor,
    submitter: PromptSubmitter,
    lookup: SessionLookup,
    drafts: Drafts,
    copies: SessionWorktrees,
) -> Blueprint:
    prompts = Blueprint("prompts", __name__)
    deliveries = Deliveries(submitter, drafts)

    @prompts.post("/sessions")
    @accepts_up_to(attachments.MAX_REQUEST)
    def start() -> BaseResponse:
        project_id = request.form.get("project", "")
        folder_text = request.form.get("folder", "")[:FOLDER_CHARACTERS]
        draft = draft_name(project_id)
        try:
            kept = attachments.keep(drafts, draft, request.files.getlist("files"))
            words = words_of_form()
            if is_making := "make" in request.form:
                check_prompt(words, has_files=bool(kept or request.form.getlist("attached")))
            folder = page.folder(folder_text, make=is_making)
            session_id = new_session_id(folder, words)
            chosen = choices(request.form, supervisor.options)
            if "copy" in request.form:
                return start_in_copy(session_id, folder, words, draft, kept, chosen)
            deliveries.send(session_id, folder, words, draft, kept, chosen)
        except REFUSED as error:
            return refused(error, project_id, folder_text)
        except TrustNeeded:
            deliveries.keep(draft, words_of_form(), folder_text)
            raise
        return redirect(session_url(claude_folder(folder), session_id), 303)

    @prompts.post("/projects/<project_id>/sessions/<session_id>/prompt")
    @accepts_up_to(attachments.MAX_REQUEST)
    def prompt(project_id: str, session_id: str) -> BaseResponse | str:
        location = lookup.at(project_id, session_id)
        words = words_of_form()
        try:
            kept = attachments.keep(drafts, session_id, request.files.getlist("files"))
        except attachments.REFUSALS:
            with contextlib.suppress(DiskFull):  # the page with the text may be closed already
                drafts.save_text(session_id, words, form=request.form.get("prompt_id", ""))
            supervisor.changes(session_id).notify()
            raise
        if location.folder is None:
            drafts.save_text(session_id, words, form=request.form.get("prompt_id", ""))
        prompt_id = deliveries.send(session_id, location.working_folder, words, session_id, kept)
        supervisor.changes(session_id).notify()
        address = session_url(project_id, session_id, lookup.place(session_id))
        if by_htmx():
            accepted = render_template(
                "composer/prompt_accepted.html",
                prompt_id=uuid.uuid4(),
                draft=drafts.get(session_id),
                address=address.partition("#")[0],
            )
            # The page waits for the block with this id.
            return make_response(accepted, {"X-Prompt-Id": prompt_id})
        return redirect(address, 303)

    def refused(error: Exception, project_id: str, folder_text: str) -> BaseResponse:
        """The page again, with the typed text, which would be lost otherwise."""
        sentence, status = attachments.refusal(error)
        known = {CannotStart: 503, DiskFull: 507, BypassNotAllowed: 403, CannotCopy: 422}
        fields = request.form.to_dict()
        with contextlib.suppress(BadForm, DiskFull):
            words = words_of_form()
            folder = page.kept_folder(folder_text)
            kept_words = deliveries.keep(draft_name(project_id), words, folder)
            if kept_words != words:
                fields["prompt"] = kept_words
        if isinstance(error, working_folders.FolderMissing):
            sentence = ""  # the page offers to make it
        answer = page.page(project_id, fields, sentence)
        return make_response(answer, known.get(type(error), status))

    def start_in_copy(
        session_id: str,
        folder: Path,
        words: str,
        draft: str,
        kept: Sequence[DraftFile],
        options: Options,
    ) -> BaseResponse:
        """Begin a session in a copy of its project, or show how its set-up gets on."""
        form, by = request.form, current_identity()
        delivery = deliveries.of_request(session_id, words, draft, kept, options)
        wish = Wish(
            folder=folder,
            words=words,
            prompt_id=delivery.prompt_id,
            prompt=words,
            options=options,
            base=form.get("copy_base", "").strip(),
            branch=form.get("copy_branch", "").strip(),
            files=delivery.files,
        )
        record = copies.prepare(session_id, wish, by=by)
        if copies.begin_new(record, delivery.send, by=by):
            return redirect(url_for("worktrees.starting", session_id=session_id), 303)
        return redirect(session_url(claude_folder(record.folder), session_id), 303)

    return prompts
