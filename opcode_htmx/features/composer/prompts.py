"""The forms that send prompts: the first of a new session, and further ones.

They work without JavaScript: a page gets a redirect, htmx the elements that change immediately,
and everything else arrives over the socket.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files.folder_names import claude_folder
from opcode_htmx.features.composer import attachments
from opcode_htmx.features.composer.new_session import (
    FOLDER_CHARACTERS,
    NewSessionPage,
)
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.budgets.book import BudgetReached
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.control.run import RunNotLive
from opcode_htmx.runs.model.permission_updates import BypassNotAllowed
from opcode_htmx.runs.policies import working_folders
from opcode_htmx.runs.policies.limit_monitor import QueueFull
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.options.choices import choices
from opcode_htmx.sessions.storage.drafts import DraftFile, Drafts, DraftTooLarge, draft_name
from opcode_htmx.sessions.submit import (
    Attachments,
    InvalidPrompt,
    PromptSubmitter,
    check_prompt,
)
from opcode_htmx.sessions.worktrees.service import CannotCopy, SessionWorktrees, Wish
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, by_htmx, session_url, typed
from opcode_htmx.web.http.prompt_form import (
    new_session_id,
    prompt_id_of,
    prompt_id_of_form,
    words_of_form,
)
from opcode_htmx.web.http.request_body import accepts_up_to

Options = Mapping[str, str | bool | None]

KEPT_IN_DRAFT = (
    BudgetReached,
    CannotStart,
    DiskFull,
    QueueFull,
    RunNotLive,
    BadForm,
    InvalidPrompt,
    TrustNeeded,
)
"""Refusals of a prompt after which its text stays in the draft."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A prompt that is ready to be sent: its id, and the one under which it arrives."""

    prompt_id: str
    sent_id: str
    files: int
    send: Callable[[Path], None]


def blueprint(
    page: NewSessionPage,
    supervisor: Supervisor,
    submitter: PromptSubmitter,
    lookup: SessionLookup,
    drafts: Drafts,
    copies: SessionWorktrees,
) -> Blueprint:
    prompts = Blueprint("prompts", __name__)

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
                return _start_in_copy(session_id, folder, words, draft, kept, chosen)
            _send(session_id, folder, words, draft, kept, chosen)
        except (
            working_folders.InvalidFolder,
            BypassNotAllowed,
            CannotCopy,
            CannotStart,
            DiskFull,
            *attachments.REFUSALS,
        ) as error:
            # with the typed text, which would be lost otherwise
            sentence, refused = attachments.refusal(error)
            known = {CannotStart: 503, DiskFull: 507, BypassNotAllowed: 403, CannotCopy: 422}
            status = known.get(type(error), refused)
            fields = request.form.to_dict()
            with contextlib.suppress(BadForm, DiskFull):
                words = words_of_form()
                kept_words = _keep(draft, words, page.kept_folder(folder_text))
                if kept_words != words:
                    fields["prompt"] = kept_words
            if isinstance(error, working_folders.FolderMissing):
                sentence = ""  # the page offers to make it
            return make_response(page.page(project_id, fields, sentence), status)
        except TrustNeeded:
            _keep(draft, words_of_form(), folder_text)
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
        prompt_id = _send(session_id, location.working_folder, words, session_id, kept)
        supervisor.changes(session_id).notify()
        address = session_url(project_id, session_id)
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

    def _keep(draft: str, words: str, folder: str | None = None) -> str:
        """Keep the words of a refused form; what the draft has then (see Drafts.save_beside)."""
        form_id, seen = request.form.get("prompt_id", ""), request.form.get("seen")
        try:
            return drafts.save_beside(draft, words, form=form_id, folder=folder, seen=seen)
        except DraftTooLarge:  # only together: the other text stays, and the page has this one
            return words

    def _start_in_copy(
        session_id: str,
        folder: Path,
        words: str,
        draft: str,
        kept: Sequence[DraftFile],
        options: Options,
    ) -> BaseResponse:
        """Begin a session in a copy of its project, or show how its set-up gets on."""
        form, by = request.form, current_identity()
        delivery = _delivery(session_id, words, draft, kept, options)
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

    def _send(
        session_id: str,
        folder: Path,
        words: str,
        draft: str,
        kept: Sequence[DraftFile],
        options: Options | None = None,
    ) -> str:
        """Send a prompt, and return its id; after a refusal its text stays in the draft `draft`."""
        delivery = _delivery(session_id, words, draft, kept, options)
        try:
            delivery.send(folder)
        except KEPT_IN_DRAFT:
            with contextlib.suppress(DiskFull):  # then the page or the response has the text
                _keep(draft, words)
            raise
        return delivery.sent_id

    def _delivery(
        session_id: str,
        words: str,
        draft: str,
        kept: Sequence[DraftFile],
        options: Options | None = None,
    ) -> _Delivery:
        """What sends the prompt of this request, also after it."""
        form_id, by = request.form.get("prompt_id", ""), current_identity()
        tokens = dict.fromkeys([*request.form.getlist("attached"), *(file.token for file in kept)])
        prompt_id, before = prompt_id_of(words, tokens), drafts.get(draft)
        stored = {file.token: file for file in before.files}
        files = [stored[token] for token in tokens if token in stored]
        other_id = dict(before.sent_as).get(prompt_id, "")
        left = None  # the scripts of a session's page tell what its field still holds
        if options is not None:  # a new session: its page goes away
            left = typed(request.form.get("prompt", "")) if request.form.get("suggested") else ""

        def attach(target: Path) -> Attachments:
            if len(files) < len(tokens):
                raise BadForm("A file of this prompt is no longer there. Look and send again.")
            images = attachments.images_of(drafts, draft, files)
            return Attachments(attachments.copy_to(drafts, draft, files, target), images)

        def send(folder: Path) -> None:
            if other_id:
                # It did not arrive, and another page has sent it meanwhile, from the draft.
                with contextlib.suppress(DiskFull):
                    drafts.sent(draft, words, form_id, files, left=left)
                return
            submitter.submit(
                session_id,
                folder,
                prompt_id,
                words,
                attach=attach if tokens else None,
                options=options,
                by=by,
            )
            is_draft = before.text.strip() == words and before.form != form_id
            typed_as = prompt_id_of_form(before.form, words, tokens) if is_draft else ""
            with contextlib.suppress(DiskFull):  # the prompt has been sent
                sent_as = [(typed_as, prompt_id)] if typed_as else []
                drafts.sent(draft, words, form_id, files, sent_as, left=left)

        return _Delivery(prompt_id, other_id or prompt_id, len(tokens), send)

    return prompts
