"""The composer of a session: its draft and its attachments.

Typed text is never lost: it stays in the draft until a prompt with it has been sent.
"""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.composer import attachments
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.drafts import Drafts
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import by_htmx, session_url, typed
from opcode_htmx.web.http.request_body import accepts_up_to

_SESSION = "/projects/<project_id>/sessions/<session_id>"


def blueprint(supervisor: Supervisor, lookup: SessionLookup, drafts: Drafts) -> Blueprint:
    pages = Blueprint("composer", __name__)
    changed = partial(draft_changed, supervisor, lookup, drafts)

    @pages.post(f"{_SESSION}/draft")
    def draft(project_id: str, session_id: str) -> tuple[str, int]:
        """Save the text typed so far."""
        location = lookup.at(project_id, session_id)  # or it is 404
        form, text = request.form, typed(request.form.get("prompt", ""))
        by = form.get("by", "")[:40]
        if drafts.save_text(session_id, text, form=form.get("prompt_id", ""), by=by):
            supervisor.changes(session_id).notify()
            if text and location.folder is not None:
                supervisor.warm_starts.want(
                    location.session_id, location.working_folder, by=current_identity()
                )
        return "", 204

    @pages.post(f"{_SESSION}/attachments")
    @accepts_up_to(attachments.MAX_REQUEST)
    def attach(project_id: str, session_id: str) -> BaseResponse | str:
        lookup.at(project_id, session_id)  # or it is 404
        try:
            attachments.keep(drafts, session_id, request.files.getlist("files"))
        except attachments.REFUSALS as error:
            if not by_htmx():
                raise
            sentence, status = attachments.refusal(error)
            return make_response(changed(project_id, session_id, sentence), status)
        return changed(project_id, session_id)

    @pages.get(f"{_SESSION}/attachments/<token>")
    def attached(project_id: str, session_id: str, token: str) -> Response:
        lookup.at(project_id, session_id)  # or it is 404
        return attachments.preview(drafts, session_id, token)

    @pages.post(f"{_SESSION}/attachments/<token>/remove")
    def detach(project_id: str, session_id: str, token: str) -> BaseResponse | str:
        lookup.at(project_id, session_id)  # or it is 404
        attachments.remove(drafts, session_id, token)
        return changed(project_id, session_id)

    return pages


def draft_changed(
    supervisor: Supervisor,
    lookup: SessionLookup,
    drafts: Drafts,
    project_id: str,
    session_id: str,
    sentence: str = "",
) -> BaseResponse | str:
    """The current content of the composer; `sentence` says what was refused."""
    supervisor.changes(session_id).notify()
    address = session_url(project_id, session_id, lookup.place(session_id))
    if not by_htmx():
        return redirect(address, 303)
    return render_template(
        "composer/draft_changed.html",
        draft=drafts.get(session_id),
        address=address.partition("#")[0],
        sentence=sentence,
    )
