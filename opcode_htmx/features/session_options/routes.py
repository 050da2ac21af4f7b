"""The form of a session's options: model, effort, permission mode, running on without a viewer.

The form contains the value of each field when the page was rendered. Only fields that differ from
it are changed, so a stale page reverts nothing that another device has chosen.
"""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.options.choices import choices
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import by_htmx, session_url


def blueprint(options: SessionOptionsService, lookup: SessionLookup) -> Blueprint:
    pages = Blueprint("session_options", __name__)

    @pages.post("/projects/<project_id>/sessions/<session_id>/options")
    def change(project_id: str, session_id: str) -> BaseResponse | str:
        lookup.at(project_id, session_id)  # or it is 404
        changed = choices(request.form, options)
        options.choose(session_id, **changed)
        names = ",".join(sorted(changed))
        log_act(current_identity(), "session.options", session=session_id, changed=names)
        if by_htmx():
            return render_template("alert.html", sentence="")
        return redirect(session_url(project_id, session_id, lookup.place(session_id)), 303)

    return pages
